//! Prints what other files must agree with: the OpenAPI document, or with `--constants` the constants of the code.
//!
//! With a path, the program writes to that file: `make openapi` updates the document that the portal serves, and
//! `make constants` the file that the tests of the template read.

use std::{env, fs, process::ExitCode};

mod constants;
mod routes;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1).peekable();
    let made = if arguments.next_if_eq("--constants").is_some() {
        constants::document().map_err(|error| error.to_string())
    } else {
        routes::document().to_pretty_json().map(|document| document + "\n").map_err(|error| error.to_string())
    };
    let done = made.and_then(|document| match arguments.next() {
        Some(path) => fs::write(&path, document).map_err(|error| format!("{path}: {error}")),
        None => {
            #[expect(clippy::print_stdout, reason = "the document is the output of this program")]
            {
                print!("{document}");
            }
            Ok(())
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("could not write the document: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_portal_serves_what_the_code_says() {
        let served = include_str!("../../../functions/portal/assets/openapi.json");
        let document = crate::routes::document().to_pretty_json().unwrap() + "\n";
        assert!(served == document, "the code has changed: run make openapi");
    }
}
