//! An export in the ordinary Rust way: the SDK's paginator, `serde_dynamo` into a struct, the `csv` crate, `flate2` with
//! its default level, parts of 8 MiB one after the other.
//!
//! The export has no checkpoint, no digest, no guard of cells, and leaves out details in items of their own.
//! Arguments: the table, the bucket, the object, `plain` or `gzip`, then hash keys.

use std::{error::Error, io::Write};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use flate2::{Compression, write::GzEncoder};
use serde::Deserialize;

const PART_BYTES: usize = 8 * 1_024 * 1_024;

#[derive(Deserialize)]
struct Row {
    sk: String,
    a: String,
    s: Option<String>,
    u: String,
    un: Option<String>,
    c: Option<String>,
    cn: Option<String>,
    t: Option<String>,
    tt: Option<String>,
    tn: Option<String>,
    d: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [table, bucket, key, form, hashes @ ..] = arguments.as_slice() else {
        return Err("expected TABLE BUCKET OBJECT plain|gzip HASH…".into());
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
        let mut pages = dynamodb
            .query()
            .table_name(table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(hash.clone()))
            .scan_index_forward(false)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for item in page?.items.unwrap_or_default() {
                write_row(&mut writer, serde_dynamo::from_item(item)?)?;
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

const TITLES: [&str; 12] = [
    "Date and time (UTC)",
    "Customer",
    "Action",
    "Partner user",
    "Status",
    "Target",
    "Details",
    "Customer ID",
    "Actor ID",
    "Action ID",
    "Activity ID",
    "Occurred at (UTC)",
];

fn write_row<W: Write>(writer: &mut csv::Writer<W>, row: Row) -> Result<(), Box<dyn Error>> {
    let (occurred_at, id) = row.sk.split_once('#').ok_or("a key without an id")?;
    let customer_id = row.c.as_deref().unwrap_or_default();
    let target = row.tn.as_deref().or(row.t.as_deref()).unwrap_or_default();
    let target = match row.tt.as_deref() {
        Some(kind) => format!("{kind} {target}"),
        None => target.to_owned(),
    };
    let shown_at = format!("{} {}", &occurred_at[..10], &occurred_at[11..19]);
    writer.write_record([
        shown_at.as_str(),
        row.cn.as_deref().unwrap_or(customer_id),
        row.a.as_str(),
        row.un.as_deref().unwrap_or(&row.u),
        row.s.as_deref().unwrap_or("succeeded"),
        &target,
        row.d.as_deref().unwrap_or_default(),
        customer_id,
        &row.u,
        &row.a,
        id,
        occurred_at,
    ])?;
    Ok(())
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
