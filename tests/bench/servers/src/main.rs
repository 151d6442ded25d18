//! Servers of the benchmarks, for the functions and their peers.
//!
//! | command | server |
//! |---|---|
//! | `lambda` | the Lambda Runtime API: sends events to one function, one after the other |
//! | `store` | DynamoDB, S3 and SQS in memory, as far as the functions use them, at AWS's pace if wanted |
//! | `engine` | real engines: DynamoDB on SQLite, S3 on a folder |
//!
//! Each server listens on a free port of the loopback interface and prints its address as its first line. A server ends
//! with its standard input, so that none outlives the program that started it.

mod bills;
mod details;
mod engine;
mod generate;
mod http;
mod lambda;
mod objects;
mod pace;
mod store;
mod table;

use std::{error::Error as StdError, process::exit};

/// An error that ends the server.
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
    // Returning would block, because the runtime waits for the thread that reads standard input.
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
