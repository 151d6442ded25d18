//! The digest that decides whether two activities have the same content.

use sha2::{Digest as _, Sha256};

use super::model::{Digest, Entry};
use crate::json::Json;

fn bytes(text: &Option<String>) -> Option<&[u8]> {
    text.as_ref().map(String::as_bytes)
}

impl Entry {
    /// Computes the digest of this entry with its changes and details.
    ///
    /// Every field enters in a fixed order, with a mark of its presence and its length, so that no two contents give the
    /// same bytes. The spelling of JSON does not count: see [`Json::digest`].
    pub(crate) fn digest(&self, changes: Option<&Json>, details: Option<&Json>) -> Digest {
        let mut hasher = Sha256::new();
        let mut add = |bytes: Option<&[u8]>| {
            hasher.update([u8::from(bytes.is_some())]);
            if let Some(bytes) = bytes {
                hasher.update((bytes.len() as u64).to_be_bytes());
                hasher.update(bytes);
            }
        };
        add(self.customer.as_ref().map(|customer| customer.id.as_bytes()));
        add(self.customer.as_ref().and_then(|customer| bytes(&customer.name)));
        add(Some(self.action.as_str().as_bytes()));
        add(Some(self.status.as_str().as_bytes()));
        add(Some(self.actor.kind.as_str().as_bytes()));
        add(Some(self.actor.id.as_bytes()));
        for field in [&self.actor.name, &self.actor.role, &self.actor.ip, &self.actor.user_agent] {
            add(bytes(field));
        }
        let (kind, id, name) = match &self.target {
            Some(target) => (bytes(&target.kind), bytes(&target.id), bytes(&target.name)),
            None => (None, None, None),
        };
        for field in [kind, id, name, bytes(&self.correlation_id), bytes(&self.source)] {
            add(field);
        }
        add(changes.map(|json| json.digest().as_slice()));
        add(details.map(|json| json.digest().as_slice()));
        // Activities that were stored before the field existed have no reason, and their digests must stay the same.
        if self.reason.is_some() {
            add(bytes(&self.reason));
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        digest
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        activity::{Digest, NewActivity},
        text::hex,
        time::Instant,
    };

    fn digest(json: &str) -> Digest {
        NewActivity::parse(json, Instant::parse("2026-11-02T12:00:00Z").unwrap()).unwrap().digest
    }

    #[test]
    fn the_digest_changes_with_every_field() {
        let least = json!({"occurred_at": "2026-11-02T09:30:00Z", "action": "order.created", "actor": {"id": "ana"}});
        let mut seen = vec![digest(&least.to_string())];
        for (field, value) in [
            ("customer", json!({"id": "c"})),
            ("customer", json!({"id": "c", "name": "n"})),
            ("action", json!("order.updated")),
            ("status", json!("failed")),
            ("actor", json!({"id": "bob"})),
            ("actor", json!({"id": "ana", "type": "system"})),
            ("actor", json!({"id": "ana", "name": "c"})),
            ("actor", json!({"id": "ana", "role": "c"})),
            ("actor", json!({"id": "ana", "ip": "c"})),
            ("actor", json!({"id": "ana", "user_agent": "c"})),
            ("target", json!({"type": "c"})),
            ("target", json!({"id": "c"})),
            ("target", json!({"name": "c"})),
            ("reason", json!("c")),
            ("changes", json!([{"field": "f"}])),
            ("changes", json!([{"field": "f", "old": 1}])),
            ("correlation_id", json!("c")),
            ("source", json!("c")),
            ("details", json!({})),
            ("details", json!({"a": 1})),
        ] {
            let mut activity = least.clone();
            activity[field] = value;
            let digest = digest(&activity.to_string());
            assert!(!seen.contains(&digest), "{activity}");
            seen.push(digest);
        }
    }

    #[test]
    fn the_digest_ignores_how_json_is_spelled() {
        let one = r#"{"occurred_at":"2026-11-02T09:30:00Z","action":"order.created","actor":{"id":"ana"},"details":{"a":1,"b":"é"}}"#;
        let other = r#"{ "details": {"b": "\u00e9", "a": 1}, "actor": {"id": "\u0061na", "type": "user"}, "action": "order.created",
            "status": "succeeded", "occurred_at": "2026-11-02T09:30:00Z", "customer": null, "target": {}, "changes": [] }"#;
        assert_eq!(digest(one), digest(other));
    }

    #[test]
    fn the_digest_is_what_stored_activities_have() {
        // A change of these digests would turn repeats of stored activities into conflicts.
        let least = r#"{"occurred_at":"2026-11-02T09:30:00Z","action":"order.created","actor":{"id":"ana"}}"#;
        let full = r#"{"occurred_at":"2026-11-02T09:30:00Z","customer":{"id":"c","name":"cn"},"action":"order.created",
            "status":"failed","actor":{"type":"system","id":"a","name":"an","role":"ar","ip":"::1","user_agent":"au"},
            "target":{"type":"order","id":"t","name":"tn"},"changes":[{"field":"q","old":1}],"correlation_id":"k",
            "source":"s","details":{"a":1}}"#;
        // The expected values come from a separate program, in Python.
        assert_eq!(hex(&digest(least)), "c04d6811942578e550a57a523edb7800");
        assert_eq!(hex(&digest(full)), "d2a5db4ac2a2278770868cb22f99bd54");
        let with_reason = full.replacen('{', r#"{"reason":"no credit","#, 1);
        assert_eq!(hex(&digest(&with_reason)), "ccc782e154e04cd117386034d2a7e57d");
    }
}
