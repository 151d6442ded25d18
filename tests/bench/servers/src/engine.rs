//! Real engines: DynamoDB on SQLite in memory, S3 on a folder.

use std::{fs, path::Path};

use dynoxide::{Database, ImportOptions, types::Item};
use serde_json::{Value, json};

use crate::{
    Error, http,
    store::{Tag, each_saved},
};

/// The folder of the bucket.
const BUCKET: &str = "data";
/// The number of items in one import transaction.
const CHUNK: usize = 20_000;

/// Runs the engines. `tables` is a JSON array of arguments of `CreateTable`; `data` is a saved file of the first table.
pub(crate) async fn run(tables: &str, folder: &str, data: Option<&str>) -> Result<(), Error> {
    let tables: Vec<Value> = serde_json::from_str(tables)?;
    let database = Database::memory().map_err(|error| error.to_string())?;
    for table in &tables {
        database.create_table(serde_json::from_value(table.clone())?).map_err(|error| error.to_string())?;
    }
    if let Some(data) = data {
        let name = tables.first().and_then(|table| table["TableName"].as_str()).ok_or("no table to fill")?;
        import(&database, name, &Path::new(folder).join(BUCKET), data)?;
    }
    let (listener, dynamodb) = http::listen().await?;
    let (objects, s3) = http::listen().await?;
    http::announce(&json!({"url": format!("http://{dynamodb}"), "s3_url": format!("http://{s3}")}))?;
    let mut service = s3s::service::S3ServiceBuilder::new(
        s3s_fs::FileSystem::new(folder).map_err(|error| format!("{folder}: {error:?}"))?,
    );
    service.set_auth(s3s::auth::SimpleAuth::from_single("bench", "bench"));
    let service = service.build();
    tokio::spawn(async move {
        while let Ok((socket, _)) = objects.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = hyper::server::conn::http1::Builder::new();
                // A client may close its connection at any time.
                server.serve_connection(hyper_util::rt::TokioIo::new(socket), service).await.ok();
            });
        }
    });
    dynoxide::server::serve_on(listener, database).await;
    Ok(())
}

/// Puts the items of a saved file into a table, and its objects into a bucket.
fn import(database: &Database, table: &str, bucket: &Path, data: &str) -> Result<(), Error> {
    let mut items: Vec<Item> = Vec::with_capacity(CHUNK);
    database.enable_bulk_loading().map_err(|error| error.to_string())?;
    let put = |items: &mut Vec<Item>| -> Result<(), Error> {
        let chunk = std::mem::replace(items, Vec::with_capacity(CHUNK));
        let imported = database.import_items(table, chunk, ImportOptions::default());
        imported.map(drop).map_err(|error| error.to_string().into())
    };
    each_saved(data, &mut |tag, key, value| {
        match tag {
            Tag::Item => items.push(serde_json::from_slice(value)?),
            Tag::Object => {
                let file = bucket.join(key);
                fs::create_dir_all(file.parent().unwrap_or(bucket))?;
                fs::write(file, value)?;
            }
        }
        if items.len() == CHUNK { put(&mut items) } else { Ok(()) }
    })?;
    put(&mut items)?;
    database.disable_bulk_loading().map_err(|error| error.to_string().into())
}
