//! The other side of the benchmarks: what the functions, and their peers, are run by and run against.
//!
//! | command | is |
//! |---|---|
//! | `lambda` | the Lambda Runtime API: hands events to one function, one after the other |
//! | `store` | DynamoDB, S3 and SQS as far as the functions use them, answered from memory, at a pace if wanted |
//! | `engine` | real engines: DynamoDB on SQLite, S3 on a folder |
//!
//! Each listens on a free port of the loopback interface, prints its address as its first line, and ends with its
//! standard input: what started it need not find it again.

mod engine;
mod generate;
mod http;
mod lambda;
mod objects;
mod pace;
mod store;
mod table;

use std::{error::Error as StdError, process::exit};

/// Whatever is not as expected ends the run.
pub(crate) type Error = Box<dyn StdError + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = tokio::select! {
        ran = run(&arguments) => ran,
        () = http::end_of_input() => Ok(()),
    };
    let status = match ran {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("bench-servers {}: {error}", arguments.first().unwrap_or(&""));
            1
        }
    };
    // Not by returning: the runtime would wait for what still reads the standard input.
    exit(status);
}

async fn run(arguments: &[&str]) -> Result<(), Error> {
    match arguments {
        ["lambda"] => lambda::run().await,
        ["store", schema] => store::run(schema, None).await,
        ["store", schema, certificate, key] => store::run(schema, Some((certificate, key))).await,
        ["engine", tables, folder] => engine::run(tables, folder, None).await,
        ["engine", tables, folder, data] => engine::run(tables, folder, Some(data)).await,
        _ => Err("expected lambda, store SCHEMA [CERTIFICATE KEY], or engine TABLES FOLDER [DATA]".into()),
    }
}
