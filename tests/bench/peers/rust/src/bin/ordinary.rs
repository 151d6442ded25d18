//! An export in the ordinary Rust way: the SDK's paginator, `serde_dynamo` into a struct, `serde_json`, the `csv` crate,
//! `flate2` and `zstd`, parts of 8 MiB one after the other.
//!
//! The export has no checkpoint, no digest, no guard of cells and no labels.
//! Arguments: the table, the bucket, the object, `details`, `plain` or `gzip`, then hash keys. With `details`, the file has
//! the details of the activities.

use std::{borrow::Cow, collections::HashSet, error::Error, io::Write};

use aws_sdk_dynamodb::{operation::query::paginator::QueryPaginator, types::AttributeValue};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use flate2::{Compression, write::GzEncoder};
use serde::Deserialize;
use serde_json::Value;

const PART_BYTES: usize = 8 * 1_024 * 1_024;
/// What a spreadsheet keeps of a cell, in UTF-16 units, and what is left for the mark of a cut.
const CELL_UNITS: usize = 32_767;
const MARK_UNITS: usize = 64;

#[derive(Deserialize)]
struct Row {
    sk: String,
    r: String,
    a: String,
    s: Option<String>,
    u: String,
    un: Option<String>,
    ur: Option<String>,
    ui: Option<String>,
    c: Option<String>,
    cn: Option<String>,
    t: Option<String>,
    tt: Option<String>,
    tn: Option<String>,
    re: Option<String>,
    ch: Option<String>,
    co: Option<String>,
    so: Option<String>,
    d: Option<String>,
    dh: Option<String>,
    r#do: Option<String>,
    dz: Option<usize>,
}

#[derive(Deserialize)]
struct Change {
    field: String,
    #[serde(default)]
    old: Value,
    #[serde(default)]
    new: Value,
}

#[derive(Deserialize)]
struct Order {
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    subscription_id: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [table, bucket, key, form, hashes @ ..] = arguments.as_slice() else {
        return Err("expected TABLE BUCKET OBJECT details|plain|gzip HASH…".into());
    };
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let s3 = aws_sdk_s3::Client::new(&config);
    let created = s3.create_multipart_upload().bucket(bucket).key(key).send().await?;
    let upload = created.upload_id.ok_or("no upload id")?;
    let mut parts = Vec::new();
    let mut rows = 0_u64;
    let mut out = Out::new(form == "gzip");
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut out);
    writer.write_record(TITLES)?;
    for hash in hashes {
        let mut pages = query(&dynamodb, table, hash.clone()).send();
        // Twin items hold compressed details and are in the order of their activities. The first read is on demand.
        let mut twins = query(&dynamodb, table, format!("{hash}#details")).items().send();
        while let Some(page) = pages.next().await {
            for item in page?.items.unwrap_or_default() {
                let row: Row = serde_dynamo::from_item(item)?;
                let details = match &row {
                    _ if form != "details" => None,
                    Row { d: Some(text), .. } => Some(Cow::Borrowed(&**text)),
                    Row { dh: Some(digest), .. } => {
                        let sort_key = format!("{}#{digest}", row.sk);
                        let packed = loop {
                            let mut twin = twins.next().await.ok_or("a twin item is missing")??;
                            if let (Some(AttributeValue::S(found)), Some(AttributeValue::B(packed))) =
                                (twin.remove("sk"), twin.remove("z"))
                                && found == sort_key
                            {
                                break packed.into_inner();
                            }
                        };
                        Some(Cow::Owned(unpack(&packed, row.dz)?))
                    }
                    Row { r#do: Some(digest), .. } => {
                        let (partner, month) = hash.split_once('#').ok_or("a hash key without a month")?;
                        let object = format!("details/{partner}/{month}/{}/{digest}.json.zst", row.sk);
                        let object = s3.get_object().bucket(bucket).key(object).send().await?;
                        Some(Cow::Owned(unpack(&object.body.collect().await?.into_bytes(), row.dz)?))
                    }
                    _ => None,
                };
                write_row(&mut writer, &row, details.as_deref())?;
                rows += 1;
            }
            writer.flush()?;
            if writer.get_ref().len() >= PART_BYTES {
                drop(writer);
                let body = out.take();
                parts.push(send(&s3, bucket, key, &upload, parts.len() + 1, body).await?);
                writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut out);
            }
        }
    }
    drop(writer);
    let body = out.finish()?;
    parts.push(send(&s3, bucket, key, &upload, parts.len() + 1, body).await?);
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    s3.complete_multipart_upload().bucket(bucket).key(key).upload_id(upload).multipart_upload(parts).send().await?;
    eprintln!("{rows} rows");
    Ok(())
}

fn query(dynamodb: &aws_sdk_dynamodb::Client, table: &str, hash: String) -> QueryPaginator {
    dynamodb
        .query()
        .table_name(table)
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(hash))
        .scan_index_forward(false)
        .into_paginator()
}

fn unpack(packed: &[u8], size: Option<usize>) -> Result<String, Box<dyn Error>> {
    Ok(String::from_utf8(zstd::bulk::decompress(packed, size.ok_or("details without a size")?)?)?)
}

const TITLES: [&str; 22] = [
    "Date and time (UTC)",
    "Customer",
    "Action",
    "Partner user",
    "Status",
    "Reason",
    "Target",
    "Changes",
    "Details",
    "Customer ID",
    "Actor ID",
    "Actor role",
    "IP address",
    "Target type",
    "Target ID",
    "Action ID",
    "Subscription IDs",
    "Correlation ID",
    "Source",
    "Activity ID",
    "Occurred at (UTC)",
    "Recorded at (UTC)",
];

fn write_row<W: Write>(writer: &mut csv::Writer<W>, row: &Row, details: Option<&str>) -> Result<(), Box<dyn Error>> {
    let (occurred_at, id) = row.sk.split_once('#').ok_or("a key without an id")?;
    let customer_id = row.c.as_deref().unwrap_or_default();
    let target = row.tn.as_deref().or(row.t.as_deref()).unwrap_or_default();
    let target = match row.tt.as_deref() {
        Some(kind) => format!("{kind} {target}"),
        None => target.to_owned(),
    };
    let shown_at = format!("{} {}", &occurred_at[..10], &occurred_at[11..19]);
    let changes = match &row.ch {
        Some(json) => {
            serde_json::from_str::<Vec<Change>>(json)?.iter().map(shown_change).collect::<Vec<_>>().join("\n")
        }
        None => String::new(),
    };
    writer.write_record([
        shown_at.as_str(),
        row.cn.as_deref().unwrap_or(customer_id),
        row.a.as_str(),
        row.un.as_deref().unwrap_or(&row.u),
        row.s.as_deref().unwrap_or("succeeded"),
        row.re.as_deref().unwrap_or_default(),
        &target,
        &changes,
        &cut(details.unwrap_or_default()),
        customer_id,
        &row.u,
        row.ur.as_deref().unwrap_or_default(),
        row.ui.as_deref().unwrap_or_default(),
        row.tt.as_deref().unwrap_or_default(),
        row.t.as_deref().unwrap_or_default(),
        &row.a,
        &subscription_ids(row, details)?.join(", "),
        row.co.as_deref().unwrap_or_default(),
        row.so.as_deref().unwrap_or_default(),
        id,
        occurred_at,
        &row.r,
    ])?;
    Ok(())
}

fn shown_change(change: &Change) -> String {
    let shown = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!("{}: {} → {}", change.field, shown(&change.old), shown(&change.new))
}

/// Returns the subscriptions concerned, each once: the target, and those of the order's lines.
fn subscription_ids(row: &Row, details: Option<&str>) -> Result<Vec<String>, Box<dyn Error>> {
    let target = row.t.clone().filter(|_| row.tt.as_deref() == Some("subscription"));
    let lines = match details {
        Some(json) => serde_json::from_str::<Order>(json)?.lines,
        None => Vec::new(),
    };
    let mut seen = HashSet::new();
    let ids = target.into_iter().chain(lines.into_iter().filter_map(|line| line.subscription_id));
    Ok(ids.filter(|id| seen.insert(id.clone())).collect())
}

/// Cuts a text that is too long for a cell of a spreadsheet.
fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= CELL_UNITS || text.encode_utf16().count() <= CELL_UNITS {
        return Cow::Borrowed(text);
    }
    let mut units = 0;
    let end = text.char_indices().find(|(_, char)| {
        units += char.len_utf16();
        units > CELL_UNITS - MARK_UNITS
    });
    let (kept, rest) = text.split_at(end.map_or(text.len(), |(at, _)| at));
    Cow::Owned(format!("{kept}… [cut: {} more characters]", rest.chars().count()))
}

async fn send(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    key: &str,
    upload: &str,
    number: usize,
    body: Vec<u8>,
) -> Result<CompletedPart, Box<dyn Error>> {
    let number = i32::try_from(number)?;
    let sent = s3.upload_part().bucket(bucket).key(key).upload_id(upload).part_number(number).body(body.into());
    let sent = sent.send().await?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(sent.e_tag)
        .set_checksum_crc32(sent.checksum_crc32)
        .build())
}

/// The target of the rows: a part, directly or through gzip.
enum Out {
    Plain(Vec<u8>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl Out {
    fn new(gzip: bool) -> Self {
        if gzip {
            Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::default())))
        } else {
            Self::Plain(Vec::new())
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(part) => part.len(),
            Self::Gzip(encoder) => encoder.get_ref().len(),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Plain(part) => std::mem::take(part),
            Self::Gzip(encoder) => std::mem::take(encoder.get_mut()),
        }
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Plain(part) => Ok(part),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }
}

impl Write for &mut Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Out::Plain(part) => part.write(bytes),
            Out::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
