//! Imitates DynamoDB, S3 and SQS on one port, as far as the functions and their peers use them.
//!
//! | mode | calls to the table of activities |
//! |---|---|
//! | `pass` | go to a real engine; the server counts them |
//! | `capture` | the server keeps every item that is put: the recording function writes the data sets this way |
//! | `replay` | the server answers reads from the kept items, at a pace if the settings say so, and drops puts |
//!
//! A real engine answers calls to other tables in every mode.

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufReader, BufWriter, Read, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::{Method, Request, Response, StatusCode, Uri, body::Frame, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::{
    Error,
    bills::{Bills, take_units, write_units},
    http::{self, Answer, Asked},
    objects::Objects,
    pace::{Fault, Pace, Settings as PaceSettings, wait_until},
    table::{Page, Query, Schema, Table, billed, read_units},
};

const JSON: &str = "application/x-amz-json-1.0";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Pass,
    Capture,
    #[default]
    Replay,
}

/// The settings of a measurement.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    mode: Mode,
    /// The address of the engine that answers the other calls.
    upstream: Option<String>,
    /// Whether the server counts the units that AWS bills.
    bills: bool,
    /// Whether each answer closes its connection.
    closes: bool,
    /// Whether finished objects keep their bytes.
    keeps_objects: bool,
    pace: PaceSettings,
}

#[derive(Default)]
struct Counts {
    calls: BTreeMap<String, u64>,
    /// Queries by hash key, with those of indexes.
    hashes: BTreeMap<String, u64>,
    bills: Bills,
    units: f64,
    /// Units of the pages with activities alone, had all of them been eventually consistent.
    page_units: f64,
    bytes: u64,
    rows_bytes: u64,
    faults: u64,
}

struct State {
    table: Table,
    objects: Objects,
    settings: Settings,
    pace: Pace,
    counts: Counts,
}

struct Store {
    schema: Schema,
    state: Mutex<State>,
    client: Client<HttpConnector, Full<Bytes>>,
}

pub(crate) async fn run(schema: &str, tls: Option<(&str, &str)>) -> Result<(), Error> {
    let schema: Schema = serde_json::from_str(schema)?;
    let state = State {
        table: Table::new(schema.clone()),
        objects: Objects::default(),
        settings: Settings::default(),
        pace: Pace::default(),
        counts: Counts::default(),
    };
    let client = Client::builder(TokioExecutor::new()).build_http();
    let store = Arc::new(Store { schema, state: Mutex::new(state), client });
    let handle = move |asked| {
        let store = store.clone();
        async move { store.answer(asked).await }
    };
    let (listener, address) = http::listen().await?;
    let mut addresses = json!({"url": format!("http://{address}")});
    if let Some((certificate, key)) = tls {
        let acceptor = acceptor(certificate, key)?;
        let (listener, address) = http::listen().await?;
        addresses["tls_url"] = json!(format!("https://{address}"));
        let handle = handle.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, handle) = (acceptor.clone(), handle.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        http::connection(stream, handle).await;
                    }
                });
            }
        });
    }
    http::announce(&addresses)?;
    http::serve(listener, handle).await
}

fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, Error> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The part of a call that decides who answers the call.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Call<'a> {
    #[serde(default)]
    table_name: String,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    key: Option<HashMap<String, HashMap<String, String>>>,
    consistent_read: Option<bool>,
}

impl Store {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, asked: Asked) -> Answer {
        let answered = match asked.header("x-amz-target") {
            "" if asked.path().starts_with("/bench/") => {
                return self
                    .control(&asked)
                    .or_else(|error| http::answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()));
            }
            "" => self.object(&asked).await,
            target => match target.split_once('.') {
                Some(("AmazonSQS", call)) => self.queue(call),
                Some((_, call)) => self.table(call, &asked).await,
                None => Err("an unknown target".into()),
            },
        };
        // The caller must see that this server does not know the call, so the error goes into the answer.
        let mut answer = match answered {
            Ok(answer) => answer,
            Err(error) if error.is::<Broken>() => return Err(error),
            Err(error) => {
                let body = json!({"__type": "ValidationException", "message": error.to_string()});
                eprintln!("bench-servers store: {error}");
                http::answer(StatusCode::BAD_REQUEST, JSON, body.to_string())?
            }
        };
        if self.state().settings.closes {
            answer.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    /// Answers a call of S3. Reads have the latency of the pace; uploads have none.
    async fn object(&self, asked: &Asked) -> Answer {
        let arrived = Instant::now();
        let (answer, due) = {
            let mut state = self.state();
            let due = if asked.head.method == Method::GET { state.pace.latency_end(arrived) } else { arrived };
            (state.objects.answer(asked), due)
        };
        wait_until(due).await;
        answer
    }

    fn queue(&self, call: &str) -> Answer {
        *self.state().counts.calls.entry(format!("SQS {call}")).or_default() += 1;
        http::answer(StatusCode::OK, JSON, r#"{"MessageId":"1"}"#)
    }

    async fn table(&self, call: &str, asked: &Asked) -> Answer {
        let read: Call<'_> = serde_json::from_slice(&asked.body)?;
        let ours = read.table_name == self.schema.table;
        let mode = self.state().settings.mode;
        if ours {
            *self.state().counts.calls.entry(call.to_owned()).or_default() += 1;
        }
        match call {
            "Query" if ours && mode != Mode::Pass => self.query(asked).await,
            "GetItem" if ours && mode != Mode::Pass => {
                let arrived = Instant::now();
                let (body, due) = self.state().get(&read, arrived)?;
                wait_until(due).await;
                signed(body.into(), false)
            }
            "PutItem" if ours && mode != Mode::Pass => {
                let item = read.item.ok_or("a PutItem without an item")?.get();
                let mut state = self.state();
                if mode == Mode::Capture {
                    state.table.put(item)?;
                }
                if state.settings.bills {
                    let units = state.store(item)?;
                    state.counts.bills.add(&read.table_name, call, units);
                }
                drop(state);
                signed(Bytes::from_static(b"{}"), false)
            }
            // Without an engine, the other tables are empty: no partner has settings, and entries of the audit are not kept.
            "GetItem" | "PutItem" if !ours && self.state().settings.upstream.is_none() => {
                signed(Bytes::from_static(b"{}"), false)
            }
            _ => self.pass(asked, &read, call).await,
        }
    }

    async fn query(&self, asked: &Asked) -> Answer {
        let arrived = Instant::now();
        let query: Query<'_> = serde_json::from_slice(&asked.body)?;
        let (page, fault, due) = {
            let mut state = self.state();
            let page = state.table.query(&query)?;
            let fault = state.pace.fault();
            let due = state.pace.due(arrived, &page.hash, page.units);
            state.counts.read(&page);
            state.counts.faults += u64::from(fault.is_some());
            if state.settings.bills {
                state.counts.bills.add(&self.schema.table, "Query", page.units);
            }
            (page, fault, due)
        };
        let zipped = asked.header("accept-encoding").contains("gzip");
        let answer = match fault {
            None => signed(page.body.into(), zipped),
            Some(Fault::Throttle) => {
                let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"Too much."}"#;
                http::answer(StatusCode::BAD_REQUEST, JSON, body)
            }
            Some(Fault::Internal) => {
                let body =
                    r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"It failed."}"#;
                http::answer(StatusCode::INTERNAL_SERVER_ERROR, JSON, body)
            }
            Some(Fault::Reset) => Err(Broken.into()),
            Some(Fault::Truncate) => {
                let body = Bytes::from(page.body);
                let half = body.slice(..body.len().min(100));
                Ok(Response::builder()
                    .header(header::CONTENT_TYPE, JSON)
                    .header(header::CONTENT_LENGTH, "100000")
                    .body(broken_off(half))?)
            }
        };
        wait_until(due).await;
        answer
    }

    /// Sends a call to the engine and counts the call.
    async fn pass(&self, asked: &Asked, read: &Call<'_>, call: &str) -> Answer {
        let (upstream, bills) = {
            let state = self.state();
            (state.settings.upstream.clone().ok_or("there is no engine to ask")?, state.settings.bills)
        };
        let body = if bills { with_consumed_capacity(&asked.body)? } else { asked.body.clone() };
        let mut request =
            Request::builder().method(asked.head.method.clone()).uri(format!("{upstream}/").parse::<Uri>()?);
        for (name, value) in &asked.head.headers {
            if name != header::CONNECTION && name != header::CONTENT_LENGTH {
                request = request.header(name, value);
            }
        }
        let answer = self.client.request(request.body(Full::new(body))?).await?;
        let (head, body) = answer.into_parts();
        let mut body = body.collect().await?.to_bytes();
        if bills {
            let mut read_back: Value = serde_json::from_slice(&body)?;
            let mut units = take_units(&mut read_back);
            body = read_back.to_string().into();
            let mut state = self.state();
            if let ("PutItem", Some(item)) = (call, read.item)
                && read.table_name == self.schema.table
            {
                let written = state.store(item.get())?;
                // A refused put is billed as a put, but the engine's refusal does not name its units.
                units = if head.status == StatusCode::OK { units } else { written };
            }
            state.counts.bills.add(&read.table_name, call, units);
        }
        if call == "Query" && read.table_name == self.schema.table && head.status == StatusCode::OK {
            self.count_passed(asked, &body)?;
        }
        let media_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(JSON);
        http::answer(head.status, media_type, body)
    }

    fn count_passed(&self, asked: &Asked, body: &[u8]) -> Result<(), Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Passed {
            items: Vec<Map<String, Value>>,
        }
        let query: Query<'_> = serde_json::from_slice(&asked.body)?;
        let passed: Passed = serde_json::from_slice(body)?;
        let bytes = passed.items.iter().map(billed).sum();
        let hash = query.hash_key()?;
        let page = Page { body: String::new(), hash, bytes, units: query.units(bytes) };
        self.state().counts.read(&page);
        Ok(())
    }

    /// Answers the benchmark program itself.
    fn control(&self, asked: &Asked) -> Answer {
        let mut state = self.state();
        let state = &mut *state;
        let argument = || std::str::from_utf8(&asked.body);
        match asked.path().trim_start_matches("/bench/") {
            "settings" => {
                state.settings = serde_json::from_slice(&asked.body)?;
                state.objects.keeps_all = state.settings.keeps_objects;
                state.pace = Pace::new(state.settings.pace.clone());
                state.counts = Counts::default();
                state.objects.reset();
                http::json(&json!({}))
            }
            "counts" => {
                let Counts { calls, hashes, bills, units, page_units, bytes, rows_bytes, faults } = &state.counts;
                http::json(&json!({
                    "calls": calls, "hashes": hashes, "units": units, "page_units": page_units, "bytes": bytes,
                    "rows_bytes": rows_bytes, "faults": faults, "objects": state.objects.counts(),
                    "bills": bills.by_operation(), "stored": bills.stored(),
                }))
            }
            "sizes" => http::json(&state.table.sizes()),
            "details" => {
                let mut sizes = json!(state.table.details());
                let stored: usize = state.objects.kept().map(|(_, body)| body.len()).sum();
                sizes["objects"]["stored"] = json!(stored);
                http::json(&sizes)
            }
            "object" => match state.objects.bytes(argument()?) {
                Some(bytes) => http::answer(StatusCode::OK, "application/octet-stream", bytes),
                None => http::answer(StatusCode::NOT_FOUND, "text/plain", ""),
            },
            "save" => {
                save(argument()?, &state.table, &state.objects)?;
                http::json(&json!({"items": state.table.len()}))
            }
            "load" => {
                state.table = Table::new(self.schema.clone());
                state.objects = Objects::default();
                each_saved(argument()?, &mut |tag, key, value| {
                    match tag {
                        Tag::Item => state.table.put(std::str::from_utf8(value)?)?,
                        Tag::Object => state.objects.keep(key.to_owned(), Bytes::copy_from_slice(value)),
                    }
                    Ok(())
                })?;
                http::json(&json!({"items": state.table.len()}))
            }
            path => http::answer(StatusCode::NOT_FOUND, "text/plain", path.to_owned()),
        }
    }
}

impl State {
    /// Answers a GetItem, counts its units, and returns the time at which the answer is due.
    fn get(&mut self, call: &Call<'_>, arrived: Instant) -> Result<(String, Instant), Error> {
        let key = call.key.as_ref().ok_or("a GetItem without a key")?;
        let (hash, item) = self.table.get(key)?;
        let bytes = item.map(|(_, bytes)| bytes).unwrap_or_default();
        let body = item.map_or_else(|| "{}".to_owned(), |(text, _)| format!("{{\"Item\":{text}}}"));
        let units = read_units(bytes, call.consistent_read == Some(true));
        if self.settings.bills {
            self.counts.bills.add(&call.table_name, "GetItem", units);
        }
        Ok((body, self.pace.due(arrived, &hash, units)))
    }

    /// Remembers the size of an item, and returns the units of its put, copies in indexes included.
    fn store(&mut self, item: &str) -> Result<f64, Error> {
        let item: Map<String, Value> = serde_json::from_str(item)?;
        let (hash, range) = self.table.key(&item).ok_or("an item without a key")?;
        let (bytes, copies) = (billed(&item), self.table.copies(&item));
        self.counts.bills.store(&hash, &range, bytes, copies);
        #[expect(clippy::cast_precision_loss, reason = "far below what a double counts")]
        let units = (write_units(bytes) * (1 + copies)) as f64;
        Ok(units)
    }
}

/// Returns a call of DynamoDB that asks for the units that it costs.
fn with_consumed_capacity(body: &[u8]) -> Result<Bytes, Error> {
    let mut call: Map<String, Value> = serde_json::from_slice(body)?;
    call.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
    Ok(Value::Object(call).to_string().into())
}

impl Counts {
    fn read(&mut self, page: &Page) {
        if page.bytes > 0 && !page.hash.ends_with("#months") {
            self.page_units += read_units(page.bytes, false);
        }
        *self.hashes.entry(page.hash.clone()).or_default() += 1;
        self.units += page.units;
        self.bytes += page.body.len() as u64;
        self.rows_bytes += page.bytes;
    }
}

/// Breaks the connection instead of an answer.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection breaks on purpose")
    }
}

impl std::error::Error for Broken {}

/// Returns a body that ends before its announced length.
fn broken_off(half: Bytes) -> http::Body {
    let frames = [Ok(Frame::data(half)), Err(std::io::Error::other(Broken))];
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

/// Returns an answer with its CRC-32, as DynamoDB does.
fn signed(body: Bytes, zipped: bool) -> Answer {
    let mut answer = Response::builder().header(header::CONTENT_TYPE, JSON);
    let body = if zipped && body.len() > 1_024 {
        answer = answer.header(header::CONTENT_ENCODING, "gzip");
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        encoder.write_all(&body)?;
        encoder.finish()?.into()
    } else {
        body
    };
    Ok(answer.header("x-amz-crc32", crc32fast::hash(&body).to_string()).body(http::full(body))?)
}

/// The kind of a saved record.
#[derive(Clone, Copy)]
pub(crate) enum Tag {
    /// An item of the table: its JSON.
    Item = 0,
    /// An object: its key and its bytes.
    Object = 1,
}

fn save(file: &str, table: &Table, objects: &Objects) -> Result<(), Error> {
    let mut out = zstd::Encoder::new(BufWriter::new(std::fs::File::create(file)?), 1)?;
    let mut record = |tag: Tag, key: &str, value: &[u8]| -> Result<(), Error> {
        out.write_all(&[tag as u8])?;
        for part in [key.as_bytes(), value] {
            out.write_all(&u32::try_from(part.len())?.to_le_bytes())?;
            out.write_all(part)?;
        }
        Ok(())
    };
    for text in table.texts() {
        record(Tag::Item, "", text.as_bytes())?;
    }
    for (key, body) in objects.kept() {
        record(Tag::Object, key, body)?;
    }
    out.finish()?.flush()?;
    Ok(())
}

/// The action for each record of a file.
type Take<'a> = dyn FnMut(Tag, &str, &[u8]) -> Result<(), Error> + 'a;

/// Reads a saved file, record by record.
pub(crate) fn each_saved(file: &str, take: &mut Take<'_>) -> Result<(), Error> {
    let mut input = BufReader::with_capacity(1 << 20, zstd::Decoder::new(std::fs::File::open(file)?)?);
    let mut tag = [0];
    while input.read(&mut tag)? == 1 {
        let mut part = || -> Result<Vec<u8>, Error> {
            let mut length = [0; 4];
            input.read_exact(&mut length)?;
            let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length))?];
            input.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let (key, value) = (part()?, part()?);
        take(if tag[0] == 0 { Tag::Item } else { Tag::Object }, std::str::from_utf8(&key)?, &value)?;
    }
    Ok(())
}
