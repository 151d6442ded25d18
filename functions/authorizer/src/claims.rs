//! The claims of a verified token, and what they say about their caller.

use domain::{
    access::{Caller, Role, TokenFault, TokenFaultKind},
    activity::{MAX_NAME_CHARS, PartnerId},
};
use serde_json::{Map, Value};
use store::clients::{MAX_CLIENT_ID_CHARS, MachineClient};

/// The longest subject (OpenID Connect Core, section 2), in characters.
const MAX_SUBJECT_CHARS: usize = 255;
/// The claims that name a person or program, best first.
const NAMES: [&str; 6] = ["name", "email", "preferred_username", "cognito:username", "username", "client_id"];
/// The claims that only the tokens of people have.
const NAMES_OF_PEOPLE: [&str; 4] = ["email", "preferred_username", "cognito:username", "username"];

/// The names of the claims that decide what a caller may do.
#[derive(Clone, Debug)]
pub struct ClaimNames {
    /// The claim that holds the partner.
    pub partner: String,
    /// The claim that holds a person's roles.
    pub roles: String,
    /// The claim that holds a machine's scopes.
    pub scope: String,
}

/// The claims of a verified token.
#[derive(Debug)]
pub(crate) struct Claims<'a> {
    claims: Map<String, Value>,
    names: &'a ClaimNames,
}

impl<'a> Claims<'a> {
    pub(crate) fn new(claims: Map<String, Value>, names: &'a ClaimNames) -> Self {
        Self { claims, names }
    }

    /// Returns the audiences of the token: `aud`, one or many, else `client_id`.
    pub(crate) fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(audience)) => vec![audience.as_str()],
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
            _ => vec![self.text("client_id")],
        }
    }

    /// Returns the id under which the token's client may be registered.
    pub(crate) fn client_id(&self) -> Option<&str> {
        let id = self.text("client_id");
        (1..=MAX_CLIENT_ID_CHARS).contains(&id.chars().count()).then_some(id)
    }

    /// Tells whether the token was issued for one of its own client's audiences, and not for another API.
    pub(crate) fn is_for_its_client(&self) -> bool {
        let id = self.text("client_id");
        !id.is_empty() && self.audiences().contains(&id)
    }

    /// Tells whether the token itself names a partner.
    pub(crate) fn names_partner(&self) -> bool {
        !self.text(&self.names.partner).is_empty()
    }

    /// Returns the caller, or none if the token has no subject.
    ///
    /// `is_known` says whether the token's client needs no registration.
    pub(crate) fn caller(&self, is_known: bool, registration: Option<MachineClient>) -> Option<Caller> {
        let subject = self.text("sub");
        if !(1..=MAX_SUBJECT_CHARS).contains(&subject.chars().count()) {
            return None;
        }
        let name = NAMES.into_iter().map(|claim| self.text(claim)).find(|name| !name.is_empty());
        let name = name.unwrap_or_default().chars().take(MAX_NAME_CHARS).collect();
        Some(match self.rights(is_known, registration) {
            Ok((partner, roles)) => Caller::new(subject.to_owned(), name, partner, roles),
            Err(fault) => Caller::with_fault(subject.to_owned(), name, fault),
        })
    }

    /// Returns the partner and the roles, or the first thing that the token lacks.
    fn rights(
        &self,
        is_known: bool,
        registration: Option<MachineClient>,
    ) -> Result<(Option<PartnerId>, Vec<Role>), TokenFault> {
        let scopes = || self.words(&self.names.scope).filter_map(Role::of_scope);
        if let Some(client) = registration {
            // Registered clients are machines. If the operator registered a page's client by mistake, every person who
            // signs in there would otherwise get roles at this partner.
            let roles = distinct(scopes());
            return match PartnerId::parse(&client.partner) {
                Ok(partner) if !roles.is_empty() => Ok((Some(partner), roles)),
                _ => Err(self.fault_of_client(TokenFaultKind::NoScope)),
            };
        }
        if !is_known {
            return Err(self.fault_of_client(TokenFaultKind::UnregisteredClient));
        }
        let roles = distinct(self.words(&self.names.roles).filter_map(Role::of_person).chain(scopes()));
        let partner = self.partner();
        if roles.contains(&Role::Operator) {
            // The operator acts for every partner, so that its token needs none.
            return Ok((partner.ok().flatten(), roles));
        }
        let partner = partner?.ok_or_else(|| self.fault_without_partner())?;
        if roles.is_empty() {
            return Err(TokenFault { kind: TokenFaultKind::NoRole, name: self.names.roles.clone() });
        }
        Ok((Some(partner), roles))
    }

    /// Returns the partner of the claim; none if the claim is missing or empty.
    fn partner(&self) -> Result<Option<PartnerId>, TokenFault> {
        let claim = match self.claims.get(&self.names.partner) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(claim) => claim.as_str(),
        };
        let partner = claim.and_then(|text| PartnerId::parse(text).ok());
        partner
            .map(Some)
            .ok_or_else(|| TokenFault { kind: TokenFaultKind::InvalidPartner, name: self.names.partner.clone() })
    }

    /// Returns the fault of a token that names no partner, by the kind of token.
    fn fault_without_partner(&self) -> TokenFault {
        let client_id = self.text("client_id");
        let is_of_person =
            self.text("sub") != client_id && NAMES_OF_PEOPLE.into_iter().any(|claim| !self.text(claim).is_empty());
        if !client_id.is_empty() && !is_of_person {
            return self.fault_of_client(TokenFaultKind::UnregisteredClient);
        }
        // Access tokens name their client (RFC 9068, section 2.2); ID tokens do not.
        let is_access_token = !client_id.is_empty() || self.text("token_use") == "access";
        let kind = if is_access_token { TokenFaultKind::AccessTokenWithoutPartner } else { TokenFaultKind::NoPartner };
        TokenFault { kind, name: self.names.partner.clone() }
    }

    fn fault_of_client(&self, kind: TokenFaultKind) -> TokenFault {
        TokenFault { kind, name: self.text("client_id").chars().take(MAX_CLIENT_ID_CHARS).collect() }
    }

    fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Iterates over the words of a claim: an array, or a text with spaces or commas.
    fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        let claim = self.claims.get(name);
        let array = claim.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let text = claim.and_then(Value::as_str).unwrap_or_default();
        array.chain(text.split([' ', ',']).filter(|word| !word.is_empty()))
    }
}

/// Collects roles, each once.
///
/// The gateway limits the size of an authorizer's answer, and a claim may repeat a role without end.
fn distinct(roles: impl Iterator<Item = Role>) -> Vec<Role> {
    let mut distinct = Vec::new();
    for role in roles {
        if !distinct.contains(&role) {
            distinct.push(role);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use domain::time::Instant;
    use serde_json::json;

    use super::*;

    fn names() -> ClaimNames {
        ClaimNames { partner: "custom:partner_id".into(), roles: "cognito:groups".into(), scope: "scope".into() }
    }

    fn registration() -> MachineClient {
        let updated_at = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        MachineClient { partner: "contoso".into(), updated_at, updated_by: "op".into(), updated_by_subject: None }
    }

    fn caller(claims: &Value, is_known: bool, registration: Option<MachineClient>) -> Option<Caller> {
        Claims::new(claims.as_object().unwrap().clone(), &names()).caller(is_known, registration)
    }

    /// Returns the ID token of a person, with some claims changed; null stands for a missing claim.
    fn person(changed: &Value) -> Value {
        let mut claims = json!({
            "sub": "s-1", "aud": "page", "token_use": "id", "name": "José", "email": "jose@contoso.example",
            "custom:partner_id": "contoso", "cognito:groups": ["global_admin"],
        });
        claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        claims
    }

    /// Returns the access token of a person at Cognito, which has no claim of the partner.
    fn access_token() -> Value {
        json!({"sub": "s-1", "client_id": "page", "token_use": "access", "username": "jose", "scope": "openid profile",
            "cognito:groups": ["global_admin"]})
    }

    /// Returns the token of a machine at Cognito.
    fn machine(scope: &str) -> Value {
        json!({"sub": "orders", "client_id": "orders", "token_use": "access", "scope": scope})
    }

    #[test]
    fn verified_token_that_lacks_something_has_its_fault() {
        use TokenFaultKind::{
            AccessTokenWithoutPartner, InvalidPartner, NoPartner, NoRole, NoScope, UnregisteredClient,
        };
        let partner = "custom:partner_id";
        for (claims, is_known, is_registered, kind, name) in [
            (person(&json!({partner: null})), true, false, NoPartner, partner),
            (person(&json!({partner: ""})), true, false, NoPartner, partner),
            (person(&json!({partner: ["contoso"]})), true, false, InvalidPartner, partner),
            (person(&json!({partner: {"contoso": 1}})), true, false, InvalidPartner, partner),
            (person(&json!({partner: "contoso "})), true, false, InvalidPartner, partner),
            (person(&json!({partner: "*"})), true, false, InvalidPartner, partner),
            (person(&json!({"cognito:groups": null})), true, false, NoRole, "cognito:groups"),
            (person(&json!({"cognito:groups": ["operator", "GLOBAL_ADMIN"]})), true, false, NoRole, "cognito:groups"),
            (person(&json!({"cognito:groups": {"global_admin": 1}})), true, false, NoRole, "cognito:groups"),
            (person(&json!({"cognito:groups": null, "scope": "openid"})), true, false, NoRole, "cognito:groups"),
            (access_token(), true, false, AccessTokenWithoutPartner, partner),
            // The page's client, registered by mistake.
            (access_token(), true, true, NoScope, "page"),
            // Another page of the same user pool.
            (access_token(), false, false, UnregisteredClient, "page"),
            (machine("daybook/read"), false, false, UnregisteredClient, "orders"),
            (machine("daybook/operate"), false, false, UnregisteredClient, "orders"),
            // Listed in the parameter Audiences, and not registered.
            (machine("daybook/read"), true, false, UnregisteredClient, "orders"),
            (machine("other/read"), false, true, NoScope, "orders"),
            (machine(""), true, true, NoScope, "orders"),
        ] {
            let found = caller(&claims, is_known, is_registered.then(registration)).unwrap();
            let fault = TokenFault { kind, name: name.to_owned() };
            assert_eq!(found.fault(), Some(&fault), "{claims}");
            assert_eq!((found.partner(), found.roles()), (None, &[][..]), "{claims}");
        }
    }

    #[test]
    fn complete_token_names_partner_and_roles() {
        use Role::{GlobalAdmin, Operator, Reader, Recorder};
        for (claims, is_known, is_registered, partner, roles) in [
            (person(&json!({})), true, false, Some("contoso"), vec![GlobalAdmin]),
            (
                person(&json!({"cognito:groups": vec!["global_admin"; 500]})),
                true,
                false,
                Some("contoso"),
                vec![GlobalAdmin],
            ),
            (
                person(&json!({"client_id": "page", "token_use": "access"})),
                true,
                false,
                Some("contoso"),
                vec![GlobalAdmin],
            ),
            (machine("daybook/record daybook/read"), false, true, Some("contoso"), vec![Recorder, Reader]),
            (machine("daybook/operate"), true, false, None, vec![Operator]),
        ] {
            let found = caller(&claims, is_known, is_registered.then(registration)).unwrap();
            assert_eq!(found.fault(), None, "{claims}");
            assert_eq!((found.partner().map(PartnerId::as_str), found.roles()), (partner, &*roles), "{claims}");
        }
    }

    #[test]
    fn token_without_a_subject_has_no_caller() {
        for subject in [json!(null), json!(""), json!({"a": 1}), json!("s".repeat(256))] {
            assert!(caller(&person(&json!({"sub": subject})), true, None).is_none(), "{subject}");
        }
        assert!(caller(&person(&json!({"sub": "é".repeat(255)})), true, None).is_some());
    }

    #[test]
    fn name_is_cut_and_falls_back_to_the_client() {
        let name = |claims: &Value| caller(claims, true, None).unwrap().name().to_owned();
        assert_eq!(name(&person(&json!({"name": "é".repeat(5_000)}))), "é".repeat(MAX_NAME_CHARS));
        assert_eq!(name(&person(&json!({"name": null}))), "jose@contoso.example");
        assert_eq!(name(&machine("daybook/operate")), "orders");
    }

    #[test]
    fn token_for_another_api_is_not_for_its_client() {
        let names = names();
        let is_own = |claims: Value| Claims::new(claims.as_object().unwrap().clone(), &names).is_for_its_client();
        assert!(is_own(machine("daybook/read")));
        assert!(is_own(json!({"aud": ["x", "orders"], "client_id": "orders"})));
        assert!(!is_own(json!({"aud": "https://other.example", "client_id": "orders"})));
        assert!(!is_own(json!({"aud": "orders"})));
        assert!(!is_own(json!({})));
    }
}
