//! Pages of Query, read from their own JSON.
//!
//! The SDK signs, retries and finds the endpoint as ever; only its reading of the answer, which makes a map of owned texts of
//! every item, is replaced: an interceptor puts a deserializer of ours in the place of the operation's. Ours reads exactly
//! the items that [`super::item`] writes, borrowing texts from the page. Whatever else a page holds goes the SDK's way:
//! an item that ours does not read is read by the SDK's deserializer, and so is an answer that is no page at all, so that
//! errors, and what is tried again after them, stay the SDK's.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::{
    operation::query::{Query, QueryOutput},
    types::AttributeValue,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeSerializationInterceptorContextRef, Error as ErasedError, Output},
        },
        orchestrator::{HttpResponse, OrchestratorError},
        runtime_plugin::RuntimePlugin as _,
        ser_de::{DeserializeResponse, SharedResponseDeserializer},
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};

use super::item::{Item, Items, Unreadable};
use domain::activity::PartnerId;

type Answer = Result<Output, OrchestratorError<ErasedError>>;

/// A page: its items, and where Query is to go on.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Items,
    pub(super) next: Option<Item>,
}

/// Where Query is to go on, from the end of a page, where DynamoDB says it: known before the page is read, so that the next
/// one can be on its way meanwhile. None where the end is another, or there is no next page.
pub(super) fn next_of(body: &[u8]) -> Option<Item> {
    // Keys have no brackets: what follows the last one follows the items.
    let items_end = memchr::memrchr(b']', body)?;
    let mut scanner = Scanner { text: std::str::from_utf8(body.get(items_end + 1..)?).ok()?, at: 0 };
    let mut next = None;
    while scanner.peek()? == b',' {
        scanner.at += 1;
        let name = scanner.plain()?;
        scanner.expect(b':')?;
        match name {
            "LastEvaluatedKey" if next.is_none() => next = Some(scanner.key()?),
            _ => scanner.skip()?,
        }
    }
    scanner.expect(b'}')?;
    scanner.end()?;
    next
}

/// Reads the answer of one call of Query, to which it is given as an interceptor.
#[derive(Clone, Debug)]
pub(super) struct PageReader {
    partner: PartnerId,
    page: Arc<Mutex<Option<Result<Page, Unreadable>>>>,
}

impl PageReader {
    pub(super) fn new(partner: &PartnerId) -> Self {
        Self { partner: partner.clone(), page: Arc::default() }
    }

    /// The page in an answer that came without the SDK; none where it is none.
    pub(super) fn read_alone(&self, body: &[u8]) -> Option<Result<Page, Unreadable>> {
        self.read(std::str::from_utf8(body).ok()?, &ConfigBag::base())
    }

    /// What was read; none before the call has succeeded.
    pub(super) fn take(&self) -> Option<Result<Page, Unreadable>> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Intercept for PageReader {
    fn name(&self) -> &'static str {
        "PageReader"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state().store_put(SharedResponseDeserializer::new(self.clone()));
        Ok(())
    }
}

impl DeserializeResponse for PageReader {
    fn deserialize_nonstreaming_with_config(&self, response: &HttpResponse, cfg: &ConfigBag) -> Answer {
        let body = response.body().bytes().filter(|_| response.status().as_u16() == 200);
        let page = match body.and_then(|body| std::str::from_utf8(body).ok()) {
            None => return by_sdk(response, cfg),
            Some(body) => match self.read(body, cfg) {
                Some(page) => page,
                None => match self.page_of(by_sdk(response, cfg)?) {
                    Ok(page) => page,
                    Err(output) => return Ok(output),
                },
            },
        };
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
        Ok(Output::erase(QueryOutput::builder().build()))
    }
}

impl PageReader {
    /// The page as ours; none when it is not one of ours.
    fn read(&self, body: &str, cfg: &ConfigBag) -> Option<Result<Page, Unreadable>> {
        let mut scanner = Scanner { text: body, at: 0 };
        let (mut items, mut next) = (None, None);
        scanner.object(|scanner, name| {
            match name {
                "Items" if items.is_none() => items = Some(self.items(scanner, cfg)?),
                "LastEvaluatedKey" if next.is_none() => next = Some(scanner.key()?),
                _ => scanner.skip()?,
            }
            Some(())
        })?;
        scanner.end()?;
        Some(items?.map(|items| Page { items, next }))
    }

    fn items(&self, scanner: &mut Scanner<'_>, cfg: &ConfigBag) -> Option<Result<Items, Unreadable>> {
        // Names, braces and quotation marks are nearly half of a page.
        let mut items = Items::new(&self.partner, scanner.text.len() / 8 * 5);
        let mut unreadable = None;
        scanner.array(|scanner| {
            let begun_at = scanner.at;
            let read = match scanner.item(&mut items) {
                Some(read) => read,
                // Not as ours are: read the SDK's way.
                None => {
                    scanner.at = begun_at;
                    scanner.skip()?;
                    let body =
                        format!(r#"{{"Items":[{}],"Count":1,"ScannedCount":1}}"#, &scanner.text[begun_at..scanner.at]);
                    let alone = HttpResponse::new(200.try_into().ok()?, SdkBody::from(body));
                    let output = by_sdk(&alone, cfg).ok()?;
                    items.add(&output.downcast::<QueryOutput>().ok()?.items?.pop()?)
                }
            };
            unreadable = unreadable.take().or(read.err());
            Some(())
        })?;
        items.shrink();
        Some(unreadable.map_or(Ok(items), Err))
    }

    /// The page as the SDK read it.
    fn page_of(&self, output: Output) -> Result<Result<Page, Unreadable>, Output> {
        let output = output.downcast::<QueryOutput>()?;
        let read = output.items.unwrap_or_default();
        let mut items = Items::new(&self.partner, 0);
        let added = read.iter().try_for_each(|item| items.add(item));
        Ok(added.map(|()| Page { items, next: output.last_evaluated_key }))
    }
}

/// An answer as the SDK reads it.
fn by_sdk(response: &HttpResponse, cfg: &ConfigBag) -> Answer {
    let operation = Query::new().config();
    let deserializer = operation.as_ref().and_then(|operation| operation.load::<SharedResponseDeserializer>());
    let deserializer = deserializer.ok_or_else(|| OrchestratorError::other("Query has no deserializer"))?;
    deserializer.deserialize_nonstreaming_with_config(response, cfg)
}

/// Reads JSON from its beginning to its end. Each step is none where the text is not what it is asked for.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A text in JSON, without its quotes.
#[derive(Clone, Copy)]
struct Quoted<'a> {
    raw: &'a str,
    has_escapes: bool,
}

impl<'a> Scanner<'a> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at)?, b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    fn quoted(&mut self) -> Option<Quoted<'a>> {
        self.expect(b'"')?;
        self.rest_of_quoted()
    }

    /// A text from behind its first quote.
    fn rest_of_quoted(&mut self) -> Option<Quoted<'a>> {
        let start = self.at;
        let mut has_escapes = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let found = memchr::memchr2(b'"', b'\\', rest)?;
            self.at += found + 1;
            if rest[found] == b'"' {
                return Some(Quoted { raw: self.text.get(start..self.at - 1)?, has_escapes });
            }
            has_escapes = true;
            // Whatever is escaped is no end.
            self.at += 1;
        }
    }

    /// A text that stands as it is.
    fn plain(&mut self) -> Option<&'a str> {
        let Quoted { raw, has_escapes } = self.quoted()?;
        (!has_escapes).then_some(raw)
    }

    /// An object whose members `member` reads, each from behind its name.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.members(|scanner| {
            let name = scanner.plain()?;
            scanner.expect(b':')?;
            member(scanner, name)
        })
    }

    /// An object whose members `member` reads, names and all.
    fn members(&mut self, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.peek()?;
            member(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// An array whose elements `element` reads.
    fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.peek()?;
            element(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Any value, however deep, whose parts nobody wants.
    fn skip(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde::de::IgnoredAny>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(())
    }

    /// A value of DynamoDB: the letter of its type, and its text.
    fn value(&mut self) -> Option<(u8, Quoted<'a>)> {
        self.expect(b'{')?;
        let &[kind] = self.plain()?.as_bytes() else { return None };
        self.expect(b':')?;
        let text = self.quoted()?;
        self.expect(b'}')?;
        Some((kind, text))
    }

    /// An attribute: its name, the letter of its type, its text.
    fn attribute(&mut self) -> Option<(&'a str, u8, Quoted<'a>)> {
        if let Some(attribute) = self.compact_attribute() {
            return Some(attribute);
        }
        let name = self.plain()?;
        self.expect(b':')?;
        let (kind, text) = self.value()?;
        Some((name, kind, text))
    }

    /// The same in the form in which DynamoDB writes ours, `"u":{"S":"ana"}`, at once; in any other, nothing is taken.
    fn compact_attribute(&mut self) -> Option<(&'a str, u8, Quoted<'a>)> {
        let begun_at = self.at;
        let rest = self.text.as_bytes().get(begun_at..)?;
        let (length, value) = match rest {
            [b'"', _, b'"', value @ ..] => (1, value),
            [b'"', _, _, b'"', value @ ..] => (2, value),
            _ => return None,
        };
        let [b':', b'{', b'"', kind, b'"', b':', b'"', ..] = value else { return None };
        let name = self.text.get(begun_at + 1..begun_at + 1 + length)?;
        self.at += length + 9;
        match self.rest_of_quoted() {
            Some(text) if self.text.as_bytes().get(self.at) == Some(&b'}') => {
                self.at += 1;
                Some((name, *kind, text))
            }
            _ => {
                self.at = begun_at;
                None
            }
        }
    }

    /// An item of ours, which is added to the others; none where it is not as ours are, and nothing is added.
    fn item(&mut self, items: &mut Items) -> Option<Result<(), Unreadable>> {
        let mut draft = items.draft();
        let read = self.members(|scanner| {
            let (name, kind, text) = scanner.attribute()?;
            let ours = match kind {
                b'S' if text.has_escapes => {
                    let mut is_text = None;
                    items.take_text(&mut draft, name, |texts| is_text = unescape(text.raw, texts))
                        && (is_text.is_some() || matches!(name, "ck" | "lk"))
                }
                b'S' => items.take_text(&mut draft, name, |texts| texts.push_str(text.raw)),
                b'B' if !text.has_escapes => Items::take_bytes(&mut draft, name, text.raw),
                b'N' if !text.has_escapes => Items::take_number(&mut draft, name, text.raw),
                _ => false,
            };
            ours.then_some(())
        });
        if read.is_none() {
            items.forget(&draft);
            return None;
        }
        Some(items.finish(draft))
    }

    /// A key: attributes with texts.
    fn key(&mut self) -> Option<Item> {
        let mut key = Item::new();
        self.object(|scanner, name| {
            let (b'S', text) = scanner.value()? else { return None };
            let mut value = String::new();
            unescape(text.raw, &mut value)?;
            key.insert(name.to_owned(), AttributeValue::S(value));
            Some(())
        })?;
        Some(key)
    }
}

/// Appends what a text in JSON means (RFC 8259, section 7); none where it means nothing.
fn unescape(raw: &str, out: &mut String) -> Option<()> {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = *rest.as_bytes().get(at + 1)?;
        rest = rest.get(at + 2..)?;
        out.push(match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = unit(&mut rest)?;
                let units = match first {
                    0xd800..0xdc00 => {
                        rest = rest.strip_prefix("\\u")?;
                        [first, unit(&mut rest)?]
                    }
                    _ => [first, 0],
                };
                let length = if units[1] == 0 { 1 } else { 2 };
                char::decode_utf16(units.into_iter().take(length)).next()?.ok()?
            }
            _ => return None,
        });
    }
    out.push_str(rest);
    Some(())
}

/// Four hexadecimal digits, taken from the front.
fn unit(rest: &mut &str) -> Option<u16> {
    let (digits, behind) = rest.split_at_checked(4)?;
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    *rest = behind;
    all.then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        Client,
        config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    };
    use aws_smithy_runtime_api::client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::HttpRequest,
    };
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::ledger::item::Rows;

    /// A store that answers every call with the same body.
    #[derive(Clone, Debug)]
    struct Canned(String);

    impl HttpConnector for Canned {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let status = 200.try_into().unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(self.0.clone()))))
        }
    }

    fn client(body: &str) -> Client {
        let connector = SharedHttpConnector::new(Canned(body.to_owned()));
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "tests"))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        Client::from_conf(config)
    }

    /// What ours reads of an answer, and what the SDK reads; each as text, to be compared.
    fn both(body: &str) -> (String, String) {
        let partner = PartnerId::parse("contoso").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let reader = PageReader::new(&partner);
        let client = client(body);
        let sdk = runtime.block_on(client.query().table_name("t").send());
        let ours = runtime.block_on(client.query().table_name("t").customize().interceptor(reader.clone()).send());
        let sdk = match sdk {
            Err(_) => "refused".to_owned(),
            Ok(output) => {
                let mut items = Items::new(&partner, 0);
                let added = output.items.unwrap_or_default().iter().try_for_each(|item| items.add(item));
                shown(added.map(|()| Page { items, next: output.last_evaluated_key }))
            }
        };
        let ours = match ours {
            Err(_) => "refused".to_owned(),
            Ok(_) => shown(reader.take().unwrap()),
        };
        (ours, sdk)
    }

    fn shown(page: Result<Page, Unreadable>) -> String {
        match page {
            Err(unreadable) => unreadable.to_string(),
            Ok(Page { items, next }) => {
                let next: Option<std::collections::BTreeMap<_, _>> = next.map(|next| next.into_iter().collect());
                let rows: Vec<_> = Rows::of(items).collect();
                let rows: Vec<_> = rows
                    .iter()
                    .map(|row| (row.activity(), row.partition(), row.digest(), row.place(), row.size()))
                    .collect();
                format!("{rows:?} {next:?}")
            }
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![".{0,12}", "[\"\\\\\u{0}-\u{1f}é😀]{0,6}", "[a-z.]{1,9}"]
    }

    /// An attribute's value: mostly as ours are, now and then of any other kind.
    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            20 => text().prop_map(|text| json!({"S": text})),
            1 => Just(json!({"N": "12.50"})),
            1 => Just(json!({"NULL": true})),
            1 => Just(json!({"BOOL": false})),
            1 => Just(json!({"L": [{"S": "x"}]})),
            1 => Just(json!({"M": {"a": {"S": "x"}}})),
            1 => Just(json!({"SS": ["a"]})),
            1 => Just(json!({"B": "AAAA"})),
            1 => Just(json!({"S": null})),
            1 => Just(json!({})),
            1 => Just(json!("bare")),
            1 => Just(Value::Null),
        ]
    }

    fn row() -> impl Strategy<Value = Value> {
        let names = prop::sample::subsequence(
            vec!["c", "cn", "t", "tt", "tn", "un", "ur", "ui", "ua", "ch", "co", "so", "d", "dh", "ds", "ck", "lk"],
            0..12,
        );
        let oddity = prop_oneof![
            12 => Just(None),
            1 => ("[a-z]{1,3}", value()).prop_map(Some),
            1 => (prop::sample::select(vec!["pk", "sk", "r", "a", "s", "u", "ut", "h", "dz"]), value())
                .prop_map(|(name, value)| Some((name.to_owned(), value))),
        ];
        (names, prop::collection::vec(value(), 12), oddity, any::<u16>()).prop_map(|(names, values, oddity, number)| {
            let mut row = json!({
                "pk": {"S": "contoso#2026-11"}, "sk": {"S": format!("2026-11-02T09:30:00.{number:06}Z#e-{number}")},
                "r": {"S": "2026-11-02T09:30:01.000Z"}, "a": {"S": "order.created"}, "u": {"S": "ana"},
                "h": {"B": "AAAAAAAAAAAAAAAAAAAAAA=="},
            });
            if number % 3 == 0 {
                row["s"] = json!({"S": "failed"});
                row["dz"] = json!({"N": number.to_string()});
            }
            for (name, value) in names.into_iter().zip(values) {
                row[name] = value;
            }
            if let Some((name, value)) = oddity {
                row[name] = value;
            }
            row
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn ours_reads_a_page_as_the_sdk_does(
            rows in prop::collection::vec(row(), 0..5), next in any::<bool>(), pretty in any::<bool>(), cut in prop::option::of(0..400usize),
        ) {
            let mut page = json!({"Count": rows.len(), "ScannedCount": 9, "Items": rows, "ConsumedCapacity": {"CapacityUnits": 0.5}});
            if next {
                page["LastEvaluatedKey"] = json!({"pk": {"S": "contoso#2026-11"}, "sk": {"S": "é\"#1"}});
            }
            let mut text = if pretty { serde_json::to_string_pretty(&page).unwrap() } else { page.to_string() };
            if let Some(cut) = cut {
                let end = (cut..text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
                text.truncate(end);
            }
            let (ours, sdk) = both(&text);
            prop_assert_eq!(ours, sdk);
            let is_whole = serde_json::from_str::<Value>(&text).is_ok();
            let end = next_of(text.as_bytes()).map(|next| next["sk"].as_s().unwrap().clone());
            prop_assert_eq!(end, (next && is_whole).then(|| "é\"#1".to_owned()));
        }
    }

    #[test]
    fn what_is_no_page_is_refused_as_the_sdk_refuses_it() {
        for body in [
            "",
            "{}",
            "[]",
            "null",
            "{\"Items\":null}",
            "{\"Items\":{}}",
            "{\"Items\":[null]}",
            "no JSON",
            "{\"Items\":[]}",
        ] {
            let (ours, sdk) = both(body);
            assert_eq!(ours, sdk, "{body:?}");
        }
    }
}
