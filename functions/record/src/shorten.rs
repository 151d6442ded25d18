//! Keeps the answer to a batch small enough for Lambda.

use lambda::payload;

use crate::BatchResult;

/// The most bytes of problems that an answer repeats in full. What is left of Lambda's limit suffices for 500 short ones.
const PROBLEM_BYTES: usize = 4_000_000;

/// Shortens the problems for which the answer has no room. The first ones keep all their faults.
pub(crate) fn fit_problems(results: &mut [BatchResult]) {
    let mut room = PROBLEM_BYTES;
    for problem in results.iter_mut().filter_map(|result| result.problem.as_mut()) {
        match room.checked_sub(payload::value_bytes(problem)) {
            Some(rest) => room = rest,
            None => problem.shorten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::activity::{ActivityId, Fault, MAX_BATCH, Rejection};
    use lambda::{Problem, StatusCode, response};

    use super::*;
    use crate::{BatchAnswer, BatchStatus};

    fn results(faults: usize) -> Vec<BatchResult> {
        let rejection = Rejection::Invalid(vec![Fault::new("/changes/0/field", "\"\"".repeat(40)); faults]);
        let result = |index| BatchResult {
            index,
            id: ActivityId::parse(&"x".repeat(128)).ok(),
            occurred_at: None,
            status: BatchStatus::Rejected,
            problem: Some(Problem::from(rejection.clone()).document()),
        };
        (0..MAX_BATCH).map(result).collect()
    }

    #[test]
    fn full_batch_of_many_faults_fits_into_an_answer() {
        let mut results = results(60);
        fit_problems(&mut results);
        let errors = |result: &BatchResult| result.problem.as_ref().map(|problem| problem.errors.len());
        assert_eq!((errors(&results[0]), errors(&results[MAX_BATCH - 1])), (Some(60), Some(0)));
        let answer = BatchAnswer { results, recorded: 0, duplicates: 0, rejected: MAX_BATCH };
        assert!(payload::fits(&response::json(StatusCode::OK, &answer).unwrap()));
    }

    #[test]
    fn problems_that_fit_keep_all_their_faults() {
        let mut results = results(3);
        fit_problems(&mut results);
        assert!(results.iter().all(|result| result.problem.as_ref().unwrap().errors.len() == 3));
    }
}
