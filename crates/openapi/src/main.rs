//! Prints the OpenAPI document, or writes it to the path that is given: `make openapi` keeps what the portal serves up to
//! date.

use std::{env, fs, process::ExitCode};

mod routes;

fn main() -> ExitCode {
    let done = routes::document().to_pretty_json().map_err(|error| error.to_string()).and_then(|document| {
        let document = document + "\n";
        match env::args().nth(1) {
            Some(path) => fs::write(&path, document).map_err(|error| format!("{path}: {error}")),
            None => {
                #[expect(clippy::print_stdout, reason = "what was asked for")]
                {
                    print!("{document}");
                }
                Ok(())
            }
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("the document cannot be written: {message}");
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
