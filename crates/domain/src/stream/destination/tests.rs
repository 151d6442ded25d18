use super::*;
use crate::fault::Rejection;

const OWN: &str = "999988887777";

fn rules() -> DestinationRules {
    DestinationRules {
        reach: Reach::default(),
        account: OWN.to_owned(),
        buckets: vec!["daybook-exports".to_owned(), "daybook-details".to_owned()],
    }
}

fn read_over(json: &str, stored: Option<&Destination>) -> Result<Destination, Rejection> {
    let mut faults = Faults::default();
    let sent: SentDestination = serde_json::from_str(json).unwrap();
    let destination = sent.read("/d", stored, &rules(), &mut faults);
    faults.finish(destination)
}

fn read(json: &str) -> Result<Destination, Rejection> {
    read_over(json, None)
}

fn pointers(json: &str) -> Vec<String> {
    read(json).unwrap_err().faults().iter().map(|fault| fault.pointer.clone()).collect()
}

#[test]
fn destinations_are_read_with_their_defaults() {
    for (sent, stored) in [
        (
            r#"{"kind":"https","url":"https://siem.example/x"}"#,
            r#"{"kind":"https","url":"https://siem.example/x","framing":"array"}"#,
        ),
        (
            r#"{"kind":"https","url":"https://siem.example/x","framing":"splunk_hec","headers":{"Authorization":"Splunk x"}}"#,
            r#"{"kind":"https","url":"https://siem.example/x","framing":"splunk_hec","headers":{"authorization":"Splunk x"}}"#,
        ),
        (
            r#"{"kind":"https","url":"https://siem.example/x","framing":null,"headers":null}"#,
            r#"{"kind":"https","url":"https://siem.example/x","framing":"array"}"#,
        ),
        (
            r#"{"kind":"eventbridge","bus_arn":"arn:aws:events:eu-west-3:123456789012:event-bus/x","role_arn":"arn:aws:iam::123456789012:role/x"}"#,
            r#"{"kind":"eventbridge","bus_arn":"arn:aws:events:eu-west-3:123456789012:event-bus/x","role_arn":"arn:aws:iam::123456789012:role/x"}"#,
        ),
        (
            r#"{"kind":"s3","bucket":"contoso.logs","role_arn":"arn:aws:iam::123456789012:role/x"}"#,
            r#"{"kind":"s3","bucket":"contoso.logs","prefix":"","role_arn":"arn:aws:iam::123456789012:role/x"}"#,
        ),
    ] {
        let destination = read(sent).unwrap();
        assert_eq!(serde_json::to_string(&destination).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Destination>(stored).unwrap(), destination);
        assert_eq!(destination.role().is_some(), destination.framing().is_none());
    }
}

#[test]
fn all_faults_of_a_destination_are_named() {
    for (sent, expected) in [
        ("{}", vec!["/d/kind"]),
        (r#"{"kind":null}"#, vec!["/d/kind"]),
        (r#"{"kind":"kafka"}"#, vec!["/d/kind"]),
        (r#"{"kind":"https"}"#, vec!["/d/url"]),
        (r#"{"kind":"https","url":null,"bucket":"x","framing":"xml"}"#, vec!["/d/bucket", "/d/url", "/d/framing"]),
        (r#"{"kind":"https","url":"http://siem.example/","headers":{"Host":"x"}}"#, vec!["/d/url", "/d/headers/Host"]),
        (r#"{"kind":"https","url":"https://169.254.169.254/"}"#, vec!["/d/url"]),
        (r#"{"kind":"https","url":"mailto:a@b.example"}"#, vec!["/d/url"]),
        (r#"{"kind":"eventbridge","url":"https://x.example/"}"#, vec!["/d/url", "/d/bus_arn", "/d/role_arn"]),
        (r#"{"kind":"s3","bucket":"A","prefix":"/x","role_arn":"x"}"#, vec!["/d/bucket", "/d/prefix", "/d/role_arn"]),
        (
            r#"{"kind":"s3","headers":null,"framing":null}"#,
            vec!["/d/framing", "/d/headers", "/d/bucket", "/d/role_arn"],
        ),
    ] {
        assert_eq!(pointers(sent), expected, "{sent}");
    }
}

#[test]
fn resources_of_the_service_are_refused() {
    let role = |account: &str| format!("arn:aws:iam::{account}:role/x");
    let bus = |account: &str| format!("arn:aws:events:eu-west-3:{account}:event-bus/x");
    let bridge = |bus: &str, role: &str| format!(r#"{{"kind":"eventbridge","bus_arn":"{bus}","role_arn":"{role}"}}"#);
    let bucket = |name: &str, role: &str| format!(r#"{{"kind":"s3","bucket":"{name}","role_arn":"{role}"}}"#);
    let theirs = "123456789012";
    assert_eq!(pointers(&bridge(&bus(OWN), &role(OWN))), ["/d/bus_arn", "/d/role_arn"]);
    assert_eq!(pointers(&bridge(&bus(theirs), &role(OWN))), ["/d/role_arn"]);
    assert_eq!(pointers(&bucket("contoso", &role(OWN))), ["/d/role_arn"]);
    assert_eq!(pointers(&bucket("daybook-details", &role(theirs))), ["/d/bucket"]);
    assert!(read(&bucket("daybook-others", &role(theirs))).is_ok());
    let gov = "arn:aws-us-gov:iam::123456789012:role/x";
    assert_eq!(pointers(&bridge(&bus(theirs), gov)), ["/d/role_arn"]);
}

#[test]
fn names_of_buckets_follow_the_rules_of_s3() {
    for good in ["abc", "contoso-logs.2026", "1a2", &"x".repeat(63)] {
        assert!(check_bucket(good, &rules()).is_ok(), "{good}");
    }
    for bad in [
        "",
        "ab",
        "Abc",
        "a_b",
        "-abc",
        "abc-",
        ".abc",
        "a..b",
        "192.168.1.1",
        "xn--abc",
        "sthree-a",
        "abc-s3alias",
        "abc--ol-s3",
        "abc--x-s3",
        "a/b",
        "a b",
        "é12",
        "arn:aws:s3:::abc",
        &"x".repeat(64),
    ] {
        assert!(check_bucket(bad, &rules()).is_err(), "{bad}");
    }
}

#[test]
fn a_prefix_is_a_folder() {
    for good in ["logs/", "a/b=c/", "A-z_0.9!*'()/", &format!("{}/", "x".repeat(511))] {
        assert_eq!(check_prefix(good).as_deref(), Ok(good));
    }
    // An empty prefix has one empty part, and no slash is needed.
    assert_eq!(check_prefix("").as_deref(), Ok(""));
    for bad in ["logs", "/", "/logs/", "a//b/", "./", "a/../", "é/", "a b/", "a?/", &format!("{}/", "x".repeat(512))] {
        assert!(check_prefix(bad).is_err(), "{bad}");
    }
}

#[test]
fn headers_stay_with_their_server() {
    let stored =
        read(r#"{"kind":"https","url":"https://siem.example/a","headers":{"Authorization":"secret"}}"#).unwrap();
    let headers = |json: &str| {
        let Ok(Destination::Https(https)) = read_over(json, Some(&stored)) else { return None };
        Some(https.headers.into_iter().map(|(name, value)| format!("{name}={}", value.reveal())).collect::<Vec<_>>())
    };
    let kept = Some(vec!["authorization=secret".to_owned()]);
    assert_eq!(headers(r#"{"kind":"https","url":"https://siem.example/b"}"#), kept);
    assert_eq!(headers(r#"{"kind":"https","url":"https://siem.example:443/b","framing":"lines"}"#), kept);
    assert_eq!(headers(r#"{"kind":"https","url":"https://siem.example/a","headers":null}"#), Some(vec![]));
    assert_eq!(headers(r#"{"kind":"https","url":"https://siem.example/a","headers":{}}"#), Some(vec![]));
    assert_eq!(
        headers(r#"{"kind":"https","url":"https://other.example/","headers":{"X":"new"}}"#),
        Some(vec!["x=new".to_owned()])
    );
    let moved = read_over(r#"{"kind":"https","url":"https://other.example/"}"#, Some(&stored)).unwrap_err();
    assert_eq!(moved.faults()[0].pointer, "/d/headers");
    assert_eq!(
        headers(r#"{"kind":"https","url":"https://siem.example:8443/"}"#),
        None,
        "another port is another server"
    );
    assert_eq!(headers(r#"{"kind":"https","url":"https://other.example/","headers":null}"#), Some(vec![]));
    let without = read(r#"{"kind":"https","url":"https://siem.example/a"}"#).unwrap();
    let moved = read_over(r#"{"kind":"https","url":"https://other.example/"}"#, Some(&without)).unwrap();
    assert!(matches!(moved, Destination::Https(https) if https.headers.is_empty()), "nothing to keep secret");
}

#[test]
fn the_debug_form_of_a_destination_has_no_secret() {
    let stored =
        read(r#"{"kind":"https","url":"https://siem.example/a","headers":{"Authorization":"secret"}}"#).unwrap();
    assert!(!format!("{stored:?}").contains("secret"));
}
