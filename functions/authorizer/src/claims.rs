//! The claims of a verified token, and what they say about their caller.

use domain::{
    access::{Caller, Customers, CustomersFault, Role, TokenFault, TokenFaultKind},
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
    /// The claim that holds the customers whose activities a person may see; none if nobody is restricted.
    pub customers: Option<String>,
}

/// What a token grants: the partner, the roles, and the customers whose activities may be seen.
type Rights = (Option<PartnerId>, Vec<Role>, Customers);

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
        let caller = match self.rights(is_known, registration) {
            Ok((partner, roles, customers)) => Caller::new(subject.to_owned(), name, partner, roles, customers),
            Err(fault) => Caller::with_fault(subject.to_owned(), name, fault),
        };
        Some(caller.through(self.issued_to()))
    }

    /// Returns the client that the token was issued to: `client_id` or `azp`, else the first audience.
    fn issued_to(&self) -> Option<String> {
        let named = ["client_id", "azp"].into_iter().map(|claim| self.text(claim)).find(|client| !client.is_empty());
        let client = named.or_else(|| self.audiences().first().copied()).unwrap_or_default();
        Some(client.chars().take(MAX_CLIENT_ID_CHARS).collect()).filter(|client: &String| !client.is_empty())
    }

    /// Returns what the token grants, or the first thing that the token lacks.
    fn rights(&self, is_known: bool, registration: Option<MachineClient>) -> Result<Rights, TokenFault> {
        let scopes = || self.words(&self.names.scope).filter_map(Role::of_scope);
        if let Some(client) = registration {
            // Registered clients are machines. If the operator registered a page's client by mistake, every person who
            // signs in there would otherwise get roles at this partner.
            let roles = distinct(scopes());
            return match PartnerId::parse(&client.partner) {
                Ok(partner) if !roles.is_empty() => Ok((Some(partner), roles, customers_of(&client))),
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
            return Ok((partner.ok().flatten(), roles, Customers::ALL));
        }
        let partner = partner?.ok_or_else(|| self.fault_without_partner())?;
        if roles.is_empty() {
            return Err(TokenFault { kind: TokenFaultKind::NoRole, name: self.names.roles.clone() });
        }
        Ok((Some(partner), roles, self.customers()?))
    }

    /// Returns the customers of the claim: a text with spaces between the ids, or an array of ids.
    ///
    /// Where people are restricted, a token without the claim, or with an empty one, grants nobody's activities.
    fn customers(&self) -> Result<Customers, TokenFault> {
        let Some(name) = &self.names.customers else { return Ok(Customers::ALL) };
        let fault = |kind| TokenFault { kind, name: name.clone() };
        let invalid = || fault(TokenFaultKind::InvalidCustomers);
        let ids = match self.claims.get(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            Some(Value::Array(ids)) => ids.iter().map(Value::as_str).collect::<Option<Vec<_>>>().ok_or_else(invalid)?,
            Some(_) => return Err(invalid()),
        };
        let ids = ids.into_iter().map(str::trim).filter(|id| !id.is_empty());
        Customers::parse(ids).map_err(|found| match found {
            CustomersFault::TooLong => fault(TokenFaultKind::TooManyCustomers),
            CustomersFault::Invalid(_) => invalid(),
        })
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

/// Returns the customers of a client's registration. A list that cannot be read is nobody.
///
/// A registration without a list restricts nothing, because the operator decides about each client. A list always does, also
/// where no claim restricts people.
fn customers_of(client: &MachineClient) -> Customers {
    match &client.customers {
        None => Customers::ALL,
        Some(ids) => Customers::parse(ids.iter().map(String::as_str)).unwrap_or(Customers::NONE),
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
        ClaimNames {
            partner: "custom:partner_id".into(),
            roles: "cognito:groups".into(),
            scope: "scope".into(),
            customers: None,
        }
    }

    /// Returns names with a claim that restricts people.
    fn restricting() -> ClaimNames {
        ClaimNames { customers: Some("custom:customers".into()), ..names() }
    }

    fn registration() -> MachineClient {
        let updated_at = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        MachineClient {
            partner: "contoso".into(),
            customers: None,
            updated_at,
            updated_by: "op".into(),
            updated_by_subject: None,
        }
    }

    fn caller(claims: &Value, is_known: bool, registration: Option<MachineClient>) -> Option<Caller> {
        caller_by(&names(), claims, is_known, registration)
    }

    fn caller_by(
        names: &ClaimNames,
        claims: &Value,
        is_known: bool,
        registration: Option<MachineClient>,
    ) -> Option<Caller> {
        Claims::new(claims.as_object().unwrap().clone(), names).caller(is_known, registration)
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
    fn claim_restricts_people_where_it_has_a_name() {
        let some = Customers::parse(["fabrikam", "Northwind"]).unwrap();
        for (claim, customers) in [
            (json!(null), Customers::NONE),
            (json!(""), Customers::NONE),
            (json!("  "), Customers::NONE),
            (json!([]), Customers::NONE),
            (json!([""]), Customers::NONE),
            (json!("fabrikam Northwind"), some.clone()),
            (json!(" fabrikam \t\nNorthwind  fabrikam "), some.clone()),
            (json!(["fabrikam", " Northwind "]), some),
            // A comma is part of an id, and so is a space in an array.
            (json!("fabrikam,Northwind"), Customers::parse(["fabrikam,Northwind"]).unwrap()),
            (json!(["fabrikam Northwind"]), Customers::parse(["fabrikam Northwind"]).unwrap()),
            (json!("*"), Customers::ALL),
            (json!(["*"]), Customers::ALL),
            (json!("fabrikam *"), Customers::ALL),
        ] {
            let person = person(&json!({"custom:customers": claim}));
            let found = caller_by(&restricting(), &person, true, None).unwrap();
            assert_eq!((found.customers(), found.fault()), (&customers, None), "{claim}");
            assert_eq!(found.roles(), [Role::GlobalAdmin], "{claim}");
            // Without a name of the claim, nobody is restricted.
            assert!(caller(&person, true, None).unwrap().customers().is_all(), "{claim}");
        }
        // A claim of a machine that the issuer put there restricts as a person's does.
        let machine = json!({"sub": "m", "client_id": "m", "scope": "daybook/read", "custom:partner_id": "contoso"});
        assert_eq!(caller_by(&restricting(), &machine, true, None).unwrap().customers(), &Customers::NONE);
    }

    #[test]
    fn claim_that_cannot_restrict_is_a_fault() {
        use TokenFaultKind::{InvalidCustomers, TooManyCustomers};
        let ids = |count: usize| (0..count).map(|number| format!("c-{number:05}")).collect::<Vec<_>>();
        for (claim, kind) in [
            (json!(7), InvalidCustomers),
            (json!(true), InvalidCustomers),
            (json!({"fabrikam": true}), InvalidCustomers),
            (json!(["fabrikam", 7]), InvalidCustomers),
            (json!(["fabrikam", ["northwind"]]), InvalidCustomers),
            (json!("fabrikam !northwind"), InvalidCustomers),
            (json!("x".repeat(129)), InvalidCustomers),
            (json!(ids(513)), TooManyCustomers),
            (json!(ids(513).join(" ")), TooManyCustomers),
        ] {
            let person = person(&json!({"custom:customers": claim}));
            let found = caller_by(&restricting(), &person, true, None).unwrap();
            assert_eq!(found.fault(), Some(&TokenFault { kind, name: "custom:customers".into() }), "{claim}");
            assert_eq!((found.roles(), found.customers()), (&[][..], &Customers::NONE));
            assert!(caller(&person, true, None).unwrap().fault().is_none());
        }
        let longest = person(&json!({"custom:customers": ids(512)}));
        let found = caller_by(&restricting(), &longest, true, None).unwrap();
        assert_eq!(found.customers().ids().unwrap().count(), 512);
    }

    #[test]
    fn registration_restricts_a_client_and_nothing_the_operator() {
        let with = |customers: Option<&[&str]>| {
            let customers = customers.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
            MachineClient { customers, ..registration() }
        };
        for names in [names(), restricting()] {
            for (registered, customers) in [
                (None, Customers::ALL),
                (Some(&["*"][..]), Customers::ALL),
                (Some(&["fabrikam"][..]), Customers::parse(["fabrikam"]).unwrap()),
                (Some(&[][..]), Customers::NONE),
                // Such a list is never saved.
                (Some(&["fabrikam", "!"][..]), Customers::NONE),
            ] {
                // The claim of a person says nothing about a registered client.
                let mut claims = machine("daybook/read");
                claims["custom:customers"] = json!("*");
                let found = caller_by(&names, &claims, false, Some(with(registered))).unwrap();
                assert_eq!((found.customers(), found.fault()), (&customers, None), "{registered:?}");
            }
            let operator = caller_by(&names, &machine("daybook/operate"), true, None).unwrap();
            assert!(operator.customers().is_all());
            let registered = caller_by(&names, &machine("daybook/operate"), true, Some(with(Some(&["a"])))).unwrap();
            assert!(registered.customers().is_all());
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
    fn caller_acts_through_the_client_of_the_token() {
        for (changed, client) in [
            (json!({}), Some("page")),
            (json!({"client_id": "cli"}), Some("cli")),
            (json!({"azp": "portal"}), Some("portal")),
            (json!({"aud": ["first", "second"]}), Some("first")),
            (json!({"aud": null}), None),
        ] {
            let found = caller(&person(&changed), true, None).unwrap();
            assert_eq!(found.client(), client, "{changed}");
        }
        assert_eq!(caller(&machine("daybook/read"), true, None).unwrap().client(), Some("orders"));
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
