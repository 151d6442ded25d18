//! The caller on the way from the authorizer to the other functions: the context of the gateway's authorizer.
//!
//! The gateway keeps the context for some minutes and adds it to each request. Texts are percent-encoded, because AWS does
//! not say how the gateway passes on characters outside ASCII.

use std::{collections::HashMap, hash::BuildHasher};

use domain::{
    access::{Caller, TokenFault},
    activity::PartnerId,
};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

/// The ASCII characters that are encoded; all others outside ASCII are too.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%').add(b'"').add(b'\\');

/// Writes a caller as the context that an authorizer answers with.
pub fn write_context(caller: &Caller) -> Value {
    let roles: Vec<&str> = caller.roles().iter().map(|role| (*role).into()).collect();
    let fault = caller.fault();
    json!({
        "subject": encode(caller.subject()),
        "name": encode(caller.name()),
        "partner": caller.partner().map(ToString::to_string).unwrap_or_default(),
        "roles": roles.join(" "),
        "fault": fault.map(|fault| fault.kind.to_string()).unwrap_or_default(),
        "fault_of": fault.map(|fault| encode(&fault.name)).unwrap_or_default(),
    })
}

/// Reads a caller from the context of a request; none if no authorizer has answered.
///
/// A fault that this version does not know leaves the caller without a role, and so without any right.
pub fn read_context<S: BuildHasher>(fields: &HashMap<String, Value, S>) -> Option<Caller> {
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let (subject, name) = (decode(field("subject")), decode(field("name")));
    if subject.is_empty() {
        return None;
    }
    if let Ok(kind) = field("fault").parse() {
        return Some(Caller::with_fault(subject, name, TokenFault { kind, name: decode(field("fault_of")) }));
    }
    let roles = field("roles").split(' ').filter_map(|role| role.parse().ok()).collect();
    Some(Caller::new(subject, name, PartnerId::parse(field("partner")).ok(), roles))
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
    use domain::access::{Role, TokenFaultKind};
    use proptest::prelude::*;

    use super::*;

    fn passed_on(caller: &Caller) -> Caller {
        let Value::Object(fields) = write_context(caller) else { unreachable!() };
        read_context(&fields.into_iter().collect::<HashMap<_, _>>()).unwrap()
    }

    proptest! {
        #[test]
        fn context_is_ascii_and_keeps_every_text(subject in ".{1,40}", name in ".*") {
            let partner = PartnerId::parse("contoso").ok();
            let caller = Caller::new(subject.clone(), name.clone(), partner.clone(), vec![Role::Reader, Role::SalesAgent]);
            for value in write_context(&caller).as_object().unwrap().values() {
                let value = value.as_str().unwrap();
                prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value}");
            }
            let read = passed_on(&caller);
            prop_assert_eq!((read.subject(), read.name()), (&*subject, if name.is_empty() { &*subject } else { &*name }));
            prop_assert_eq!((read.partner(), read.roles()), (partner.as_ref(), &[Role::Reader, Role::SalesAgent][..]));
            prop_assert_eq!(read.fault(), None);
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
    fn request_without_a_subject_has_no_caller() {
        assert!(read_context(&HashMap::from([("integrationLatency".to_owned(), json!(12))])).is_none());
    }
}
