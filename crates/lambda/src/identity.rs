//! The caller on the way from the authorizer to the other functions: the context of the gateway's authorizer.
//!
//! The gateway keeps the context for some minutes and adds it to each request. Texts are percent-encoded, because AWS does
//! not say how the gateway passes on characters outside ASCII.

use std::{collections::HashMap, hash::BuildHasher};

use domain::{
    access::{Caller, Customers, TokenFault},
    activity::PartnerId,
};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

/// The ASCII characters that are encoded; all others outside ASCII are too.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%').add(b'"').add(b'\\');

/// The ASCII characters that are encoded in an id between spaces.
const ENCODED_IN_LISTS: &AsciiSet = &ENCODED.add(b' ');

/// The field that holds the customers to which a caller is restricted.
const CUSTOMERS: &str = "customers";
/// The value of the field without a restriction.
const ALL_CUSTOMERS: &str = "*";
/// The beginning of a list in the field. An empty list has it too, because a gateway may leave out empty values.
const LIST_OF_CUSTOMERS: char = '=';

/// Writes a caller as the context that an authorizer answers with.
pub fn write_context(caller: &Caller) -> Value {
    let roles: Vec<&str> = caller.roles().iter().map(|role| (*role).into()).collect();
    let fault = caller.fault();
    json!({
        "subject": encode(caller.subject()),
        "name": encode(caller.name()),
        "partner": caller.partner().map(ToString::to_string).unwrap_or_default(),
        "roles": roles.join(" "),
        CUSTOMERS: write_customers(caller.customers()),
        "client": caller.client().map(encode).unwrap_or_default(),
        "fault": fault.map(|fault| fault.kind.to_string()).unwrap_or_default(),
        "fault_of": fault.map(|fault| encode(&fault.name)).unwrap_or_default(),
    })
}

/// Reads a caller from the context of a request; none if no authorizer has answered.
///
/// A fault that this version does not know leaves the caller without a role, and so without any right. Customers that cannot
/// be read are nobody.
pub fn read_context<S: BuildHasher>(fields: &HashMap<String, Value, S>) -> Option<Caller> {
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let (subject, name) = (decode(field("subject")), decode(field("name")));
    if subject.is_empty() {
        return None;
    }
    let client = Some(decode(field("client"))).filter(|client| !client.is_empty());
    if let Ok(kind) = field("fault").parse() {
        let fault = TokenFault { kind, name: decode(field("fault_of")) };
        return Some(Caller::with_fault(subject, name, fault).through(client));
    }
    let roles = field("roles").split(' ').filter_map(|role| role.parse().ok()).collect();
    let customers = read_customers(fields.get(CUSTOMERS));
    Some(Caller::new(subject, name, PartnerId::parse(field("partner")).ok(), roles, customers).through(client))
}

fn write_customers(customers: &Customers) -> String {
    let Some(ids) = customers.ids() else { return ALL_CUSTOMERS.to_owned() };
    let ids: Vec<String> = ids.map(|id| utf8_percent_encode(id, ENCODED_IN_LISTS).to_string()).collect();
    format!("{LIST_OF_CUSTOMERS}{}", ids.join(" "))
}

/// Reads the customers of a context. Nothing but the exact form of [`ALL_CUSTOMERS`] means all of them.
///
/// A context without the field comes from an authorizer of a version that restricted nobody. The gateway keeps such contexts
/// for 5 minutes after an upgrade, as it keeps those that were made before the restriction was turned on.
fn read_customers(field: Option<&Value>) -> Customers {
    let Some(field) = field else { return Customers::ALL };
    let text = field.as_str().unwrap_or_default();
    if text == ALL_CUSTOMERS {
        return Customers::ALL;
    }
    let Some(list) = text.strip_prefix(LIST_OF_CUSTOMERS) else { return Customers::NONE };
    let ids = list.split(' ').filter(|id| !id.is_empty()).map(|id| percent_decode_str(id).decode_utf8());
    let Ok(ids) = ids.collect::<Result<Vec<_>, _>>() else { return Customers::NONE };
    let customers = Customers::parse(ids.iter().map(AsRef::as_ref)).unwrap_or(Customers::NONE);
    // A list never means all customers, whatever it contains.
    if customers.is_all() { Customers::NONE } else { customers }
}

/// Encodes a value of the context.
///
/// The authorizer encodes the `principalId` of its answer with it too.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use domain::access::{MAX_CUSTOMERS_BYTES, Role, TokenFaultKind};
    use domain::activity::MAX_NAME_CHARS;
    use proptest::prelude::*;
    use strum::VariantArray as _;

    use super::*;

    fn passed_on(caller: &Caller) -> Caller {
        let Value::Object(fields) = write_context(caller) else { unreachable!() };
        read_context(&fields.into_iter().collect::<HashMap<_, _>>()).unwrap()
    }

    proptest! {
        #[test]
        fn context_is_ascii_and_keeps_every_text(subject in ".{1,40}", name in ".*", client in ".*") {
            let partner = PartnerId::parse("contoso").ok();
            let roles = vec![Role::Reader, Role::SalesAgent];
            let caller = Caller::new(subject.clone(), name.clone(), partner.clone(), roles, Customers::ALL);
            let caller = caller.through(Some(client.clone()));
            for value in write_context(&caller).as_object().unwrap().values() {
                let value = value.as_str().unwrap();
                prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value}");
            }
            let read = passed_on(&caller);
            prop_assert_eq!((read.subject(), read.name()), (&*subject, if name.is_empty() { &*subject } else { &*name }));
            prop_assert_eq!((read.partner(), read.roles()), (partner.as_ref(), &[Role::Reader, Role::SalesAgent][..]));
            prop_assert_eq!((read.fault(), read.customers()), (None, &Customers::ALL));
            prop_assert_eq!(read.client(), Some(&*client).filter(|client| !client.is_empty()));
        }

        #[test]
        fn restriction_reaches_the_function_as_it_is(ids in prop::collection::vec("[^!].{0,40}", 0..20)) {
            // Blank ids, and lists that are too long, never become a restriction.
            let Ok(customers) = Customers::parse(ids.iter().map(String::as_str)) else { return Ok(()) };
            let caller = Caller::new("s".into(), String::new(), None, vec![Role::Reader], customers.clone());
            let context = write_context(&caller);
            let text = context["customers"].as_str().unwrap();
            prop_assert!(text.len() <= MAX_CUSTOMERS_BYTES && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
            let read = passed_on(&caller);
            prop_assert_eq!(read.customers(), &customers);
        }

        #[test]
        fn unknown_form_of_a_restriction_shows_nothing(text in "[^*=].*|\\*.+|=.*%[0-9A-F]?|") {
            let customers = read_customers(Some(&json!(text)));
            prop_assert!(!customers.is_all() && !customers.allow(None), "{customers:?}");
            if !text.starts_with('=') {
                prop_assert_eq!(customers, Customers::NONE);
            }
        }

        #[test]
        fn fault_reaches_the_function_with_its_name(name in ".*") {
            for kind in [TokenFaultKind::UnregisteredClient, TokenFaultKind::NoPartner] {
                let fault = TokenFault { kind, name: name.clone() };
                let read = passed_on(&Caller::with_fault("s".into(), "José".into(), fault.clone()));
                prop_assert_eq!((read.fault(), read.name()), (Some(&fault), "José"));
            }
        }
    }

    #[test]
    fn name_that_was_not_encoded_is_read_as_it_is() {
        let fields = [("subject", "s"), ("name", "José 100 %")].map(|(name, text)| (name.to_owned(), json!(text)));
        assert_eq!(read_context(&HashMap::from(fields)).unwrap().name(), "José 100 %");
    }

    #[test]
    fn unknown_fault_grants_no_right() {
        let fields = [("subject", "s"), ("partner", "contoso"), ("fault", "of_tomorrow"), ("roles", "")];
        let caller = read_context(&HashMap::from(fields.map(|(name, text)| (name.to_owned(), json!(text))))).unwrap();
        assert_eq!((caller.fault(), caller.roles()), (None, &[][..]));
    }

    #[test]
    fn restriction_is_read_in_its_exact_form_only() {
        let some = Customers::parse(["a b", "c"]).unwrap();
        for (field, customers) in [
            (json!("*"), Customers::ALL),
            (json!("="), Customers::NONE),
            (json!("=a%20b c"), some.clone()),
            (json!("= a%20b  c "), some),
            // Broken bytes, an id that no restriction can have, and texts that look like all customers.
            (json!("=a %FF"), Customers::NONE),
            (json!("=a !b"), Customers::NONE),
            (json!("=*"), Customers::NONE),
            (json!("=a *"), Customers::NONE),
            (json!("=%2A"), Customers::NONE),
            (json!("* "), Customers::NONE),
            (json!("a c"), Customers::NONE),
            (json!(""), Customers::NONE),
            (json!(null), Customers::NONE),
            (json!(true), Customers::NONE),
            (json!(["*"]), Customers::NONE),
        ] {
            assert_eq!(read_customers(Some(&field)), customers, "{field}");
        }
        // An authorizer of an earlier version restricts nobody.
        assert_eq!(read_customers(None), Customers::ALL);
    }

    #[test]
    fn largest_context_fits_into_the_answer_of_an_authorizer() {
        let ids: Vec<String> = (0..512).map(|number| format!("c-{number:05}")).collect();
        let customers = Customers::parse(ids.iter().map(String::as_str)).unwrap();
        let (subject, name, partner) =
            ("s".repeat(255), "é".repeat(MAX_NAME_CHARS), PartnerId::parse(&"p".repeat(128)));
        let roles = Role::VARIANTS.iter().copied().filter(|role| *role != Role::Operator).collect();
        let caller = Caller::new(subject, name, partner.ok(), roles, customers);
        // The answer holds the subject once more, as principalId, and a policy of some 300 bytes.
        let bytes = write_context(&caller).to_string().len() + 255 + 400;
        assert!(bytes <= 8 * 1_024, "API Gateway takes 8 KB, and this is {bytes}");
    }

    #[test]
    fn request_without_a_subject_has_no_caller() {
        assert!(read_context(&HashMap::from([("integrationLatency".to_owned(), json!(12))])).is_none());
    }
}
