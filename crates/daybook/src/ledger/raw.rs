//! Pages of Query, read from their own JSON.
//!
//! The SDK signs, retries and finds the endpoint as ever; only its reading of the answer, which makes a map of owned texts of
//! every item, is replaced: an interceptor puts a deserializer of ours in the place of the operation's. Ours reads exactly
//! the items that [`super::item`] writes, borrowing texts from the page. Whatever else a page holds goes the SDK's way:
//! an item that ours does not read is read by the SDK's deserializer, and so is an answer that is no page at all, so that
//! errors, and what is tried again after them, stay the SDK's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

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
use serde::Deserialize;
use serde_json::value::RawValue;

use super::item::{self, Fields, Item, Row, Text, Unreadable};
use crate::activity::PartnerId;

type Answer = Result<Output, OrchestratorError<ErasedError>>;

/// A page: its rows, and where Query is to go on.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) rows: Vec<Row>,
    pub(super) next: Option<Item>,
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
        if let Ok(page) = serde_json::from_str::<WirePage<'_, Fields<'_>>>(body) {
            let rows = page.items.into_iter().map(|fields| item::read(&self.partner, fields)).collect();
            let next = page.next.map(key);
            return Some(Result::map(rows, |rows| Page { rows, next }));
        }
        // Row by row: those that ours reads, and the others the SDK's way.
        let page: WirePage<'_, &RawValue> = serde_json::from_str(body).ok()?;
        let mut rows = Vec::with_capacity(page.items.len());
        for raw in page.items {
            rows.push(match serde_json::from_str::<Fields<'_>>(raw.get()) {
                Ok(fields) => item::read(&self.partner, fields),
                Err(_) => {
                    let body = format!(r#"{{"Items":[{}],"Count":1,"ScannedCount":1}}"#, raw.get());
                    let alone = HttpResponse::new(200.try_into().ok()?, SdkBody::from(body));
                    let output = by_sdk(&alone, cfg).ok()?;
                    let item = output.downcast::<QueryOutput>().ok()?.items?.pop()?;
                    item::read(&self.partner, Fields::of(&item))
                }
            });
        }
        let (rows, next) = (rows.into_iter().collect(), page.next.map(key));
        Some(Result::map(rows, |rows| Page { rows, next }))
    }

    /// The page as the SDK read it.
    fn page_of(&self, output: Output) -> Result<Result<Page, Unreadable>, Output> {
        let output = output.downcast::<QueryOutput>()?;
        let items = output.items.unwrap_or_default();
        let rows = items.iter().map(|item| item::read(&self.partner, Fields::of(item))).collect();
        Ok(Result::map(rows, |rows| Page { rows, next: output.last_evaluated_key }))
    }
}

/// An answer as the SDK reads it.
fn by_sdk(response: &HttpResponse, cfg: &ConfigBag) -> Answer {
    let operation = Query::new().config();
    let deserializer = operation.as_ref().and_then(|operation| operation.load::<SharedResponseDeserializer>());
    let deserializer = deserializer.ok_or_else(|| OrchestratorError::other("Query has no deserializer"))?;
    deserializer.deserialize_nonstreaming_with_config(response, cfg)
}

#[derive(Deserialize)]
struct WirePage<'a, Row> {
    #[serde(rename = "Items")]
    items: Vec<Row>,
    #[serde(rename = "LastEvaluatedKey", borrow)]
    next: Option<HashMap<&'a str, Text<'a>>>,
}

fn key(key: HashMap<&str, Text<'_>>) -> Item {
    key.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value.into_string()))).collect()
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
                let items = output.items.unwrap_or_default();
                let rows: Result<Vec<Row>, Unreadable> =
                    items.iter().map(|item| item::read(&partner, Fields::of(item))).collect();
                shown(rows.map(|rows| Page { rows, next: output.last_evaluated_key }))
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
            Ok(Page { rows, next }) => {
                let next: Option<std::collections::BTreeMap<_, _>> = next.map(|next| next.into_iter().collect());
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
