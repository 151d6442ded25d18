use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only reading matters")]
struct Outer {
    list: Vec<Inner>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only reading matters")]
struct Inner {
    number: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "of some members only the reading matters")]
struct Body<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    is_on: Option<bool>,
    shards: Option<u8>,
    #[serde(borrow)]
    anything: Option<&'a RawValue>,
    inner: Option<Object<Pair>>,
    #[serde(default)]
    zone: Update<String>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Pair {
    left: Option<u32>,
    right: Option<String>,
}

impl RequestBody for Body<'_> {
    type Read<'a> = Body<'a>;
}

/// Returns the pointers and details of all faults, and whether anything was left to read.
fn faults_of(json: &str) -> (Vec<(String, String)>, bool) {
    let (mut rest, mut faults) = (String::new(), Faults::default());
    let is_read = read_body::<Body<'_>>(json, &mut rest, &mut faults).is_some();
    let faults = match faults.finish(Some(())) {
        Ok(()) => Vec::new(),
        Err(rejection) => rejection.faults().iter().map(|it| (it.pointer.clone(), it.detail.clone())).collect(),
    };
    (faults, is_read)
}

fn pointers_of(json: &str) -> Vec<String> {
    faults_of(json).0.into_iter().map(|(pointer, _)| pointer).collect()
}

#[test]
fn all_faults_of_a_body_are_found_at_once() {
    let json = r#"{"colour":1,"name":5,"is_on":"yes","shards":300,"inner":{"left":-1,"right":[],"up":1},"zone":{}}"#;
    let (faults, is_read) = faults_of(json);
    let faults: Vec<(&str, &str)> =
        faults.iter().map(|(pointer, detail)| (pointer.as_str(), detail.as_str())).collect();
    assert_eq!(
        faults,
        [
            ("/colour", "unknown field \"colour\": remove it or correct its name"),
            ("/name", "must be a string, not a number"),
            ("/is_on", "must be true or false, not a string"),
            ("/shards", "must be a whole number from 0 to 255, not 300"),
            ("/inner/left", "must be a whole number from 0 to 4294967295, not -1"),
            ("/inner/right", "must be a string, not an array"),
            ("/inner/up", "unknown field \"up\": remove it or correct its name"),
            ("/zone", "must be a string, not an object"),
        ]
    );
    assert!(is_read);
}

#[test]
fn members_without_faults_are_read_on() {
    let json = "\u{feff}{\"name\":\"a\\u00e9\",\"colour\":1,\"inner\":{\"left\":1,\"up\":2},\"anything\":{\"n\":1.50}}";
    let (mut rest, mut faults) = (String::new(), Faults::default());
    let body = read_body::<Body<'_>>(json, &mut rest, &mut faults).unwrap();
    assert_eq!(body.name.as_deref(), Some("aé"));
    assert_eq!(body.inner.unwrap().0, Pair { left: Some(1), right: None });
    assert_eq!(body.anything.map(RawValue::get), Some(r#"{"n":1.50}"#));
    assert_eq!(faults.finish(Some(())).unwrap_err().faults().len(), 2);
}

#[test]
fn repeated_members_are_one_fault() {
    assert_eq!(
        faults_of(r#"{"name":"a","name":"b","shards":1}"#),
        (vec![("/name".into(), "is given twice: send it once".into())], true)
    );
    assert_eq!(pointers_of(r#"{"colour":1,"colour":2}"#), ["/colour"]);
    assert_eq!(pointers_of(r#"{"inner":{"left":1,"left":2},"name":1}"#), ["/inner/left", "/name"]);
}

#[test]
fn very_many_faults_end_the_search() {
    let members: Vec<String> = (0..1_000).map(|number| format!("\"m{number}\":{number}")).collect();
    let (faults, is_read) = faults_of(&format!("{{{}}}", members.join(",")));
    assert_eq!((faults.len(), is_read), (MAX_FAULTS + 1, false));
}

#[test]
fn large_documents_with_faults_are_read_few_times() {
    let large = "x".repeat(MAX_REREAD_BYTES / MIN_ROUNDS);
    let members: Vec<String> = (0..20).map(|number| format!("\"m{number}\":{number}")).collect();
    let (faults, is_read) = faults_of(&format!("{{\"anything\":\"{large}\",{}}}", members.join(",")));
    assert_eq!((faults.len(), is_read), (MIN_ROUNDS, false));
    // Of a megabyte, 16 MiB are 16 rounds.
    let (faults, _) = faults_of(&format!("{{\"anything\":\"{}\",{}}}", "x".repeat(1_000_000), members.join(",")));
    assert_eq!(faults.len(), 16);
}

#[test]
fn a_message_loses_its_position_only() {
    let error = serde_json::from_str::<u8>(" \"a at line 5\"").unwrap_err();
    assert_eq!(message_of(&error), "invalid type: string \"a at line 5\", expected u8");
    let without_position = serde_json::from_value::<u8>("a at line 5".into()).unwrap_err();
    assert_eq!(message_of(&without_position), "invalid type: string \"a at line 5\", expected u8");
}

#[test]
fn no_words_of_a_parser_reach_the_caller() {
    let deep = format!("{{\"inner\":{}", "[".repeat(300));
    for (json, words) in [
        ("", "is empty: send a JSON object"),
        (" \n", "is empty: send a JSON object"),
        ("{", "at line 1, column 1: the document ends too early"),
        ("{\"name\":\"a", "the document ends too early"),
        ("{\"name\":}", "a value is missing"),
        ("{\"name\":'a'}", "a value is missing"),
        ("{\"is_on\":tru}", "true, false or null is misspelt"),
        ("{\"name\" \"a\"}", "a colon is missing"),
        ("{\"name\":\"a\" \"shards\":1}", "a comma or a closing brace is missing"),
        ("{\"anything\":[1 2]}", "a comma or a closing bracket is missing"),
        ("{\"name\":\"a\",}", "the name of a member, in double quotes, is missing"),
        ("{\"anything\":[1,]}", "a value is missing"),
        ("{} {}", "something follows after the end"),
        ("{name:1}", "the name of a member, in double quotes, is missing"),
        ("{\"name\":\"a\nb\"}", "a string contains a control character"),
        ("{\"name\":\"\\x\"}", "a backslash in a string begins no escape"),
        ("{\"name\":\"\\ud800\"}", "half of a surrogate pair"),
        ("{\"shards\":01}", "a number is malformed"),
        ("{\"shards\":1e999}", "a number is beyond"),
        (&deep, "the document ends too early"),
        ("[]", "must be an object, not an array"),
        ("null", "must be an object, not null"),
        ("\"x\"", "must be an object, not a string"),
        ("5", "must be an object, not a number"),
        ("true", "must be an object, not true or false"),
        ("{\"inner\":[1]}", "must be an object, not an array"),
        ("{\"shards\":1.5}", "must be a whole number from 0 to 255, not a number"),
    ] {
        let (faults, _) = faults_of(json);
        let [(_, detail)] = &faults[..] else { panic!("{json}: {faults:?}") };
        assert!(detail.contains(words), "{json}: {detail}");
        for parser in ["EOF", "expected", "invalid type", "trailing", "`", "sequence", "map", "struct", "ident"] {
            assert!(!detail.contains(parser), "{json}: {detail}");
        }
    }
}

#[test]
fn errors_point_to_the_field_that_does_not_fit() {
    let long = "x".repeat(100);
    for (json, pointer, detail) in [
        (r#"{"list":[{"number":1},{"number":"x"}]}"#.to_owned(), "/list/1/number".to_owned(), "must be a whole number"),
        (r#"{"list":[{"colour":1}]}"#.to_owned(), "/list/0/colour".to_owned(), "unknown field"),
        (r#"{"a/b":1}"#.to_owned(), "/a~1b".to_owned(), "unknown field \"a/b\""),
        (format!(r#"{{"{long}":1}}"#), format!("/{}", &long[..60]), "unknown field"),
        (r#"{"list":[]} x"#.to_owned(), String::new(), "follows after the end"),
        ("{}".to_owned(), "/list".to_owned(), "is required"),
        ("{".to_owned(), String::new(), "ends too early"),
    ] {
        let Err(Rejection::Invalid(faults)) = from_json::<Outer>(&json) else { panic!("{json}") };
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        assert_eq!(fault.pointer, pointer, "{json}");
        assert!(fault.detail.contains(detail), "{}", fault.detail);
        assert!(fault.detail.len() <= MAX_MESSAGE_CHARS);
    }
    assert!(from_json::<Outer>("\u{feff}{\"list\":[{\"number\":1}]}").is_ok());
}

#[test]
fn types_are_named_in_the_words_of_json() {
    for (message, words) in [
        ("invalid type: integer `1`, expected struct Pair", "must be an object, not a number"),
        ("invalid type: integer `1`, expected a zone", "must be a zone, not a number"),
        ("has 3 parts", "has 3 parts"),
    ] {
        assert_eq!(explain_type(message), words);
    }
}

#[test]
fn an_object_is_not_read_from_an_array() {
    assert!(from_json::<Inner>("[1]").is_ok(), "serde alone reads it");
    let Err(Rejection::Invalid(faults)) = from_json::<Object<Inner>>("[1]") else { panic!("read") };
    assert_eq!(faults[0].detail, "must be an object, not an array");
    assert!(from_json::<Object<Inner>>(r#"{"number":1}"#).is_ok());
}

#[test]
fn members_are_limited() {
    let object = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!("\"m{number}\":{number}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let (most, too_many) = (object(MAX_MEMBERS), object(MAX_MEMBERS + 1));
    assert_eq!(from_json::<Members<'_>>(&most).map(|Members(members)| members.len()), Ok(MAX_MEMBERS));
    for (json, detail) in [(too_many.as_str(), "more than 200"), ("[]", "must be an object")] {
        let Err(rejection) = from_json::<Members<'_>>(json) else { panic!("{json}") };
        assert!(rejection.faults()[0].detail.contains(detail), "{rejection:?}");
    }
}

#[test]
fn an_absent_member_stays_and_null_is_the_default() {
    for (json, resolved) in [("{}", "stored"), (r#"{"zone":null}"#, "default"), (r#"{"zone":"new"}"#, "new")] {
        let (mut rest, mut faults) = (String::new(), Faults::default());
        let body = read_body::<Body<'_>>(json, &mut rest, &mut faults).unwrap();
        assert_eq!(body.zone.resolve(Some("stored".to_owned()), "default".to_owned()), resolved);
    }
    assert_eq!(Update::Keep.resolve(None, 1), 1);
}

#[test]
fn a_member_is_converted_or_its_fault_is_named() {
    let mut faults = Faults::default();
    let mut parse = |update: Update<&str>| {
        update.parse("/shards", &mut faults, |text| text.parse::<u8>().map_err(|_| "is no number".to_owned()))
    };
    assert_eq!(
        [parse(Update::Set("4")), parse(Update::Reset), parse(Update::Keep)],
        [Update::Set(4), Update::Reset, Update::Keep]
    );
    assert_eq!(parse(Update::Set("x")), Update::Keep);
    let rejection = faults.finish(Some(())).unwrap_err();
    assert_eq!(
        (rejection.faults()[0].pointer.as_str(), rejection.faults()[0].detail.as_str()),
        ("/shards", "is no number")
    );
}
