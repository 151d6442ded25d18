//! Notifications in the Control table: deliveries to recipients, and the secrets that sign webhooks.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    activity::PartnerId,
    delivery::{Delivery, Secret, Secrets, TooManySecrets},
    time::Instant,
};

use crate::{
    control::{Control, Item, export_sort_key, is_done, json, key, parse_json, text},
    error::Error,
};

/// The time for which deliveries are kept, in seconds.
pub const DELIVERY_LIFETIME_SECONDS: i64 = 400 * 86_400;

/// The answer to a request to replace a secret.
#[derive(Debug)]
pub enum Rotation {
    /// The secrets that are valid from now on.
    Done(Secrets),
    /// There is no secret.
    NoSecret,
    /// Another process has just replaced the secret.
    Conflict,
    /// As many secrets as may sign at a time do so, until this instant.
    TooMany(Instant),
}

impl Control {
    /// Reads the secrets that sign a partner's webhooks.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn secrets(&self, partner: &PartnerId) -> Result<Option<Secrets>, Error> {
        let found = self.secret_item(partner).await?;
        found.map(|(item, _)| parse_json(&item, "secrets")).transpose()
    }

    /// Creates a partner's first secret, unless it has one. Returns whether it was created.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn create_secrets(&self, partner: &PartnerId, secrets: &Secrets) -> Result<bool, Error> {
        if self.secret_item(partner).await?.is_some() {
            return Ok(false);
        }
        let mut item = secret_key(partner);
        item.insert("secrets".to_owned(), json(secrets)?);
        self.of_secrets().put_if_absent(item, "PutItem of a secret").await
    }

    /// Replaces a partner's current secret.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn rotate_secret(&self, partner: &PartnerId, fresh: Secret, now: Instant) -> Result<Rotation, Error> {
        let Some((found, is_old)) = self.secret_item(partner).await? else { return Ok(Rotation::NoSecret) };
        let rotated = match parse_json::<Secrets>(&found, "secrets")?.rotate(fresh, now) {
            Ok(rotated) => rotated,
            Err(TooManySecrets(until)) => return Ok(Rotation::TooMany(until)),
        };
        let mut item = secret_key(partner);
        item.insert("secrets".to_owned(), json(&rotated)?);
        let secrets = self.of_secrets();
        if is_old {
            let done = secrets.put_if_absent(item, "PutItem of a secret").await?;
            return Ok(if done { Rotation::Done(rotated) } else { Rotation::Conflict });
        }
        // Compared as stored, because secrets of an earlier version have another form.
        let read = found.get("secrets").cloned().unwrap_or_else(|| text(""));
        let put = secrets.dynamodb.put_item().table_name(&*secrets.table).set_item(Some(item));
        let put = put.condition_expression("secrets = :read").expression_attribute_values(":read", read);
        let done = is_done(put.send().await.map(drop), "PutItem of a secret")?;
        Ok(if done { Rotation::Done(rotated) } else { Rotation::Conflict })
    }

    /// Removes a partner's secrets, if there are any.
    ///
    /// # Errors
    /// When a table fails.
    pub async fn remove_secrets(&self, partner: &PartnerId) -> Result<(), Error> {
        self.delete_item(secret_key(partner), "DeleteItem of a secret").await?;
        self.of_secrets().delete_item(secret_key(partner), "DeleteItem of a secret").await
    }

    /// Reads the item with a partner's secrets, and tells whether it is in the Control table, where versions up to 0.1.0 stored
    /// it.
    async fn secret_item(&self, partner: &PartnerId) -> Result<Option<(Item, bool)>, Error> {
        let secrets = self.of_secrets();
        if let Some(found) = secrets.get_item(secret_key(partner), "GetItem of a secret").await? {
            return Ok(Some((found, false)));
        }
        if secrets.table == self.table {
            return Ok(None);
        }
        let old = self.get_item(secret_key(partner), "GetItem of a secret").await?;
        Ok(old.map(|found| (found, true)))
    }

    /// Creates a delivery, unless it is there. Returns whether it was created.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn create_delivery(&self, partner: &PartnerId, delivery: &Delivery) -> Result<bool, Error> {
        self.put_if_absent(delivery_item(partner, delivery)?, "PutItem of a delivery").await
    }

    /// Reads a delivery, by its export and the fingerprint of its recipient.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn delivery(
        &self,
        partner: &PartnerId,
        export: &str,
        fingerprint: &str,
    ) -> Result<Option<Delivery>, Error> {
        let key = key(partner.as_str(), &delivery_key(export, fingerprint));
        let found = self.get_item(key, "GetItem of a delivery").await?;
        found.map(|item| parse_json(&item, "delivery")).transpose()
    }

    /// Takes the lease on a delivery for one try until `until`. Returns false if another process has the lease, or has
    /// tried since the delivery was read.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn take_delivery(
        &self,
        partner: &PartnerId,
        delivery: &Delivery,
        now: Instant,
        until: Instant,
    ) -> Result<bool, Error> {
        let sk = delivery_key(&delivery.export, &delivery.recipient.fingerprint());
        let taken = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &sk)))
            .update_expression("SET lease = :until")
            .condition_expression("attempts = :attempts AND (attribute_not_exists(lease) OR lease < :now)")
            .expression_attribute_values(":attempts", AttributeValue::N(delivery.attempts.to_string()))
            .expression_attribute_values(":now", text(&now.to_string()))
            .expression_attribute_values(":until", text(&until.to_string()))
            .send()
            .await;
        is_done(taken.map(drop), "UpdateItem of a delivery")
    }

    /// Saves the outcome of a try. Returns false if another process has saved one meanwhile.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn note_delivery(&self, partner: &PartnerId, tried: &Delivery) -> Result<bool, Error> {
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(delivery_item(partner, tried)?));
        let before = AttributeValue::N(tried.attempts.saturating_sub(1).to_string());
        let put = put.condition_expression("attempts = :before").expression_attribute_values(":before", before);
        is_done(put.send().await.map(drop), "PutItem of a delivery")
    }

    /// Lists the deliveries of a partner's last exports, latest month first.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn deliveries(&self, partner: &PartnerId, limit: usize) -> Result<Vec<Delivery>, Error> {
        let answer = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(partner.as_str()))
            .expression_attribute_values(":prefix", text("delivery#"))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| Error::sdk("Query of deliveries", error))?;
        answer.items.unwrap_or_default().iter().map(|item| parse_json(item, "delivery")).collect()
    }
}

fn secret_key(partner: &PartnerId) -> Item {
    key(partner.as_str(), "secret")
}

fn delivery_key(export: &str, fingerprint: &str) -> String {
    format!("delivery#{}#{fingerprint}", export_sort_key(export))
}

/// The item of a delivery. The table removes it after [`DELIVERY_LIFETIME_SECONDS`].
fn delivery_item(partner: &PartnerId, delivery: &Delivery) -> Result<Item, Error> {
    let mut item = key(partner.as_str(), &delivery_key(&delivery.export, &delivery.recipient.fingerprint()));
    item.insert("delivery".to_owned(), json(delivery)?);
    item.insert("attempts".to_owned(), AttributeValue::N(delivery.attempts.to_string()));
    let ttl = delivery.created_at.plus_seconds(DELIVERY_LIFETIME_SECONDS).micros() / 1_000_000;
    item.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
    Ok(item)
}
