//! Decodes pages of Query from their JSON, which exports spend most of their time on.
//!
//! The SDK makes a map with owned strings of every item. An interceptor puts [`PageDecoder`] in the place of the SDK's
//! decoder; the SDK still finds the endpoint, signs and retries. `PageDecoder` decodes exactly the items that the ledger
//! writes, and copies their values into one buffer, the [`PageItems`]. The SDK's decoder gets everything else: an item with
//! other attributes, and any answer that is not a page. So errors, and what is retried after them, stay the SDK's.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::{
    operation::query::{Query, QueryOutput},
    types::{AttributeValue, ConsumedCapacity},
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
use serde::Deserialize;

use super::{
    item::{Attributes, CUSTOMER_KEY, LATE_KEY},
    scanner::{Scanner, unescape},
    stored::{ItemBuffer, UnreadableItem},
};
use domain::activity::PartnerId;

type Answer = Result<Output, OrchestratorError<ErasedError>>;

/// The items of a page: activities, or twin items with details.
pub(super) trait PageItems: fmt::Debug + Send + Sized + 'static {
    /// Creates an empty buffer for the items of a page of `body_bytes`.
    fn new(partner: &PartnerId, body_bytes: usize) -> Self;

    /// Reads an item that the ledger writes and adds it. Adds nothing for any other item.
    fn read(&mut self, scanner: &mut Scanner<'_>) -> Option<Result<(), UnreadableItem>>;

    /// Adds an item that the SDK has decoded.
    fn add(&mut self, item: &Attributes) -> Result<(), UnreadableItem>;

    /// Gives back unused memory once all items are read, because many pages wait at a time.
    fn shrink(&mut self);
}

/// A page of Query.
#[derive(Debug)]
pub(super) struct DecodedPage<T> {
    /// The items.
    pub(super) items: T,
    /// The key at which the next page starts, if there is one.
    pub(super) next: Option<Attributes>,
    /// The read units that the page has consumed, if the request asked for them.
    pub(super) read_units: Option<f64>,
}

/// The capacity that an answer says it has consumed.
#[derive(Deserialize)]
struct Consumed {
    #[serde(rename = "CapacityUnits")]
    units: Option<f64>,
}

/// Reads the start of the next page from the end of a page, without decoding the items.
///
/// So the next page can be requested first. Returns nothing if there is no next page, or if the answer ends otherwise.
pub(super) fn find_next(body: &[u8]) -> Option<Attributes> {
    // Keys have no brackets, so the last bracket ends the items.
    let items_end = memchr::memrchr(b']', body)?;
    let mut scanner = Scanner { text: std::str::from_utf8(body.get(items_end + 1..)?).ok()?, at: 0 };
    let mut next = None;
    while scanner.peek()? == b',' {
        scanner.at += 1;
        let name = scanner.plain()?;
        scanner.expect(b':')?;
        match name {
            "LastEvaluatedKey" if next.is_none() => next = Some(read_key(&mut scanner)?),
            _ => scanner.skip()?,
        }
    }
    scanner.expect(b'}')?;
    scanner.end()?;
    next
}

/// The answer of one call of Query.
#[derive(Debug)]
pub(super) enum QueryAnswer<T> {
    /// A decoded page.
    Decoded(Result<DecodedPage<T>, UnreadableItem>),
    /// A page that has a next one, not decoded yet.
    Deferred {
        /// The answer as it came.
        body: SdkBody,
        /// The key at which the next page starts, by the end of the body.
        next: Attributes,
    },
}

/// Decodes the answer of one call of Query, which takes it as an interceptor.
#[derive(Debug)]
pub(super) struct PageDecoder<T> {
    partner: PartnerId,
    defers: bool,
    answer: Arc<Mutex<Option<QueryAnswer<T>>>>,
}

impl<T> Clone for PageDecoder<T> {
    fn clone(&self) -> Self {
        Self { partner: self.partner.clone(), defers: self.defers, answer: Arc::clone(&self.answer) }
    }
}

impl<T: PageItems> PageDecoder<T> {
    /// Creates a decoder that decodes a page as soon as it comes.
    pub(super) fn new(partner: &PartnerId) -> Self {
        Self { partner: partner.clone(), defers: false, answer: Arc::default() }
    }

    /// Creates a decoder that defers a page if it has a next one, so that the caller can request the next one first.
    pub(super) fn deferring(partner: &PartnerId) -> Self {
        Self { defers: true, ..Self::new(partner) }
    }

    /// Decodes a deferred page. Returns nothing if it is not a page that ends with `next`.
    pub(super) fn decode_deferred(
        &self,
        body: &SdkBody,
        next: &Attributes,
    ) -> Option<Result<DecodedPage<T>, UnreadableItem>> {
        let page = self.decode(std::str::from_utf8(body.bytes()?).ok()?, &ConfigBag::base())?;
        let goes_with_its_end = page.as_ref().map_or(true, |page| page.next.as_ref() == Some(next));
        goes_with_its_end.then_some(page)
    }

    /// Takes the answer; nothing is there before the call has succeeded.
    pub(super) fn take_answer(&self) -> Option<QueryAnswer<T>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps the answer for the caller, and returns an empty one for the SDK.
    fn keep(&self, answer: QueryAnswer<T>) -> Output {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Output::erase(QueryOutput::builder().build())
    }

    /// Defers a page if its end says that there is a next one.
    fn defer(&self, response: &HttpResponse) -> Option<QueryAnswer<T>> {
        let body = response.body().try_clone().filter(|_| self.defers)?;
        let next = find_next(body.bytes()?)?;
        Some(QueryAnswer::Deferred { body, next })
    }
}

impl<T: PageItems> Intercept for PageDecoder<T> {
    fn name(&self) -> &'static str {
        "PageDecoder"
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

impl<T: PageItems> DeserializeResponse for PageDecoder<T> {
    fn deserialize_nonstreaming_with_config(&self, response: &HttpResponse, cfg: &ConfigBag) -> Answer {
        let body = response.body().bytes().filter(|_| response.status().as_u16() == 200);
        if body.is_some()
            && let Some(deferred) = self.defer(response)
        {
            return Ok(self.keep(deferred));
        }
        let page = match body.and_then(|body| std::str::from_utf8(body).ok()) {
            None => return by_sdk(response, cfg),
            Some(body) => match self.decode(body, cfg) {
                Some(page) => page,
                None => match self.convert(by_sdk(response, cfg)?) {
                    Ok(page) => page,
                    Err(output) => return Ok(output),
                },
            },
        };
        Ok(self.keep(QueryAnswer::Decoded(page)))
    }
}

impl<T: PageItems> PageDecoder<T> {
    /// Decodes a page; nothing if it is not a page.
    fn decode(&self, body: &str, cfg: &ConfigBag) -> Option<Result<DecodedPage<T>, UnreadableItem>> {
        let mut scanner = Scanner { text: body, at: 0 };
        let (mut items, mut next, mut read_units) = (None, None, None);
        scanner.object(|scanner, name| {
            match name {
                "Items" if items.is_none() => items = Some(self.decode_items(scanner, cfg)?),
                "LastEvaluatedKey" if next.is_none() => next = Some(read_key(scanner)?),
                "ConsumedCapacity" => {
                    let begun_at = scanner.at;
                    scanner.skip()?;
                    let consumed = serde_json::from_str::<Consumed>(scanner.text.get(begun_at..scanner.at)?);
                    read_units = consumed.ok()?.units;
                }
                _ => scanner.skip()?,
            }
            Some(())
        })?;
        scanner.end()?;
        Some(items?.map(|items| DecodedPage { items, next, read_units }))
    }

    fn decode_items(&self, scanner: &mut Scanner<'_>, cfg: &ConfigBag) -> Option<Result<T, UnreadableItem>> {
        let mut items = T::new(&self.partner, scanner.text.len());
        let mut unreadable = None;
        scanner.array(|scanner| {
            let begun_at = scanner.at;
            let read = match items.read(scanner) {
                Some(read) => read,
                // Another kind of item: the SDK decodes it.
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

    /// Converts a page that the SDK has decoded.
    fn convert(&self, output: Output) -> Result<Result<DecodedPage<T>, UnreadableItem>, Output> {
        let output = output.downcast::<QueryOutput>()?;
        let read_units = output.consumed_capacity().and_then(ConsumedCapacity::capacity_units);
        let read = output.items.unwrap_or_default();
        let mut items = T::new(&self.partner, 0);
        let added = read.iter().try_for_each(|item| items.add(item));
        Ok(added.map(|()| DecodedPage { items, next: output.last_evaluated_key, read_units }))
    }
}

/// Decodes an answer with the SDK's own decoder.
fn by_sdk(response: &HttpResponse, cfg: &ConfigBag) -> Answer {
    let operation = Query::new().config();
    let deserializer = operation.as_ref().and_then(|operation| operation.load::<SharedResponseDeserializer>());
    let deserializer = deserializer.ok_or_else(|| OrchestratorError::other("the SDK has no decoder for Query"))?;
    deserializer.deserialize_nonstreaming_with_config(response, cfg)
}

impl PageItems for ItemBuffer {
    fn new(partner: &PartnerId, body_bytes: usize) -> Self {
        // Names, braces and quotation marks are nearly half of a page.
        Self::with_capacity(partner, body_bytes / 8 * 5)
    }

    fn read(&mut self, scanner: &mut Scanner<'_>) -> Option<Result<(), UnreadableItem>> {
        let mut draft = self.begin();
        let read = scanner.members(|scanner| {
            let (name, kind, text) = scanner.attribute()?;
            let is_known = match kind {
                b'S' if text.has_escapes => {
                    let mut is_text = None;
                    self.take_text(&mut draft, name, |texts| is_text = unescape(text.raw, texts))
                        && (is_text.is_some() || matches!(name, CUSTOMER_KEY | LATE_KEY))
                }
                b'S' => self.take_text(&mut draft, name, |texts| texts.push_str(text.raw)),
                b'B' if !text.has_escapes => Self::take_bytes(&mut draft, name, text.raw),
                b'N' if !text.has_escapes => Self::take_number(&mut draft, name, text.raw),
                _ => false,
            };
            is_known.then_some(())
        });
        if read.is_none() {
            self.discard(&draft);
            return None;
        }
        Some(self.finish(draft))
    }

    fn add(&mut self, item: &Attributes) -> Result<(), UnreadableItem> {
        self.add_decoded(item)
    }

    fn shrink(&mut self) {
        self.shrink_to_fit();
    }
}

/// Reads a key, whose attributes are texts.
fn read_key(scanner: &mut Scanner<'_>) -> Option<Attributes> {
    let mut key = Attributes::new();
    scanner.object(|scanner, name| {
        let (b'S', text) = scanner.value()? else { return None };
        let mut value = String::new();
        unescape(text.raw, &mut value)?;
        key.insert(name.to_owned(), AttributeValue::S(value));
        Some(())
    })?;
    Some(key)
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
    use crate::ledger::stored::StoredActivities;

    /// A table that answers every call with the same body.
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

    /// The results of the two decoders for one answer, as texts that can be compared.
    fn decode_both(body: &str, defers: bool) -> (String, String) {
        let partner = PartnerId::parse("contoso").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let decoder: PageDecoder<ItemBuffer> =
            if defers { PageDecoder::deferring(&partner) } else { PageDecoder::new(&partner) };
        let client = client(body);
        let sdk = runtime.block_on(client.query().table_name("t").send());
        let ours = runtime.block_on(client.query().table_name("t").customize().interceptor(decoder.clone()).send());
        let sdk = match sdk {
            Err(_) => "refused".to_owned(),
            Ok(output) => {
                let mut items = ItemBuffer::with_capacity(&partner, 0);
                let read_units = output.consumed_capacity().and_then(ConsumedCapacity::capacity_units);
                let added = output.items.unwrap_or_default().iter().try_for_each(|item| items.add(item));
                describe(added.map(|()| DecodedPage { items, next: output.last_evaluated_key, read_units }))
            }
        };
        let ours = match ours {
            Err(_) => "refused".to_owned(),
            Ok(_) => match decoder.take_answer().unwrap() {
                QueryAnswer::Decoded(page) => describe(page),
                QueryAnswer::Deferred { body, next } => {
                    decoder.decode_deferred(&body, &next).map_or_else(|| "refused".to_owned(), describe)
                }
            },
        };
        (ours, sdk)
    }

    fn describe(page: Result<DecodedPage<ItemBuffer>, UnreadableItem>) -> String {
        match page {
            Err(unreadable) => unreadable.to_string(),
            Ok(DecodedPage { items, next, read_units }) => {
                let next: Option<std::collections::BTreeMap<_, _>> = next.map(|next| next.into_iter().collect());
                let stored: Vec<_> = StoredActivities::of(items).collect();
                let shown: Vec<_> = stored
                    .iter()
                    .map(|one| (one.activity(), one.partition(), one.details_location(), one.size()))
                    .collect();
                format!("{shown:?} {next:?} {read_units:?}")
            }
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![".{0,12}", "[\"\\\\\u{0}-\u{1f}é😀]{0,6}", "[a-z.]{1,9}"]
    }

    /// An attribute's value: mostly a text, sometimes of any other kind.
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
            vec![
                "c", "cn", "t", "tt", "tn", "un", "ur", "ui", "ua", "re", "ch", "co", "so", "ls", "d", "dh", "ds",
                "ck", "lk",
            ],
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
        fn the_decoder_reads_a_page_as_the_sdk_does(
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
            for defers in [false, true] {
                let (ours, sdk) = decode_both(&text, defers);
                prop_assert_eq!(ours, sdk);
            }
            let is_whole = serde_json::from_str::<Value>(&text).is_ok();
            let end = find_next(text.as_bytes()).map(|next| next["sk"].as_s().unwrap().clone());
            prop_assert_eq!(end, (next && is_whole).then(|| "é\"#1".to_owned()));
        }
    }

    #[test]
    fn the_decoder_refuses_other_answers_as_the_sdk_does() {
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
            for defers in [false, true] {
                let (ours, sdk) = decode_both(body, defers);
                assert_eq!(ours, sdk, "{body:?}");
            }
        }
    }
}
