//! Fuzzes with a stable toolchain: changes the inputs of a corpus at random, for a time.
//!
//! Without instrumentation the fuzzer cannot see the branches that an input takes. Each target therefore describes the
//! result of an input in a few words, such as the fields that were refused and why. An input with a new description is
//! changed further. A target panics at a fault. The fuzzer then writes the input to a file, which belongs into the corpus
//! once the fault is fixed. Every run tries all inputs of the corpus first.
//!
//! `FUZZ_SECONDS` sets the time of each target. The same `FUZZ_SEED` makes the same inputs.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    fs,
    hash::{Hash as _, Hasher as _},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use amounts::{amount, report, setting};

/// How many seconds each target runs in `make test`, and in `make soak`.
const SECONDS: (u64, u64) = (3, 60);
/// The longest input, in bytes. The end-to-end tests send larger ones.
const MAX_BYTES: usize = 16 * 1_024;
/// The most inputs that are kept and changed further.
const MAX_KEPT: usize = 4_096;
/// Texts that often break parsers.
const ODD: [&str; 24] = [
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{d7ff}",
    "\u{10ffff}",
    "'",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\r\n",
    "\t",
    "%",
    "%00",
    "#",
    "&",
    "=",
    "-1",
    "0",
    "1e400",
    "9223372036854775808",
    "0000-00-00",
    "+262142-12-31",
    "\u{1f469}\u{200d}\u{1f467}",
];

/// Generates pseudo-random numbers from a seed (xorshift64*).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number below a bound, or 0 if the bound is 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        usize::try_from((self.next() >> 16).checked_rem(bound).unwrap_or_default()).unwrap_or_default()
    }
}

/// Tries the corpus of a target, then changed inputs, until the time is up.
///
/// `words` are the building blocks of such inputs. `check` panics at a fault, and otherwise describes the result.
///
/// # Panics
/// If `check` panics: the input is in a file then, and the file's name on standard error. Also if there is no corpus.
pub fn run(target: &str, words: &[&str], mut check: impl FnMut(&[u8]) -> String) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = fs::read_dir(place.join("corpus").join(target))
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    let mut kept: Vec<Vec<u8>> = files.iter().filter_map(|file| fs::read(file).ok()).collect();

    let seed = setting("FUZZ_SEED", 1);
    let time = Duration::from_secs(amount("FUZZ_SECONDS", SECONDS.0, SECONDS.1));
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut seen = HashSet::new();
    let mut tried = 0_u64;
    let mut attempt = |input: &[u8]| {
        let came = catch_unwind(AssertUnwindSafe(|| check(input))).unwrap_or_else(|panic| {
            let file = place.join("found").join(format!("{target}-{:016x}", hash(input)));
            let written = fs::create_dir_all(place.join("found")).and_then(|()| fs::write(&file, input));
            eprintln!("{target}, seed {seed}: {} ({written:?})\n{}", file.display(), input.escape_ascii());
            resume_unwind(panic)
        });
        seen.insert(hash(came.as_bytes()))
    };
    for input in &kept {
        attempt(input);
        tried += 1;
    }
    let started = Instant::now();
    while started.elapsed() < time {
        let mut input = kept[random.below(kept.len())].clone();
        for _ in 0..=random.below(4) {
            change(&mut input, &kept, words, &mut random);
        }
        input.truncate(MAX_BYTES);
        tried += 1;
        if attempt(&input) && kept.len() < MAX_KEPT {
            kept.push(input);
        }
    }
    report(&format!("fuzzing: {target}"), &format!("{tried} inputs, {} of them kept", kept.len()), seed);
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Changes an input once.
fn change(input: &mut Vec<u8>, others: &[Vec<u8>], words: &[&str], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let until = at + random.below((input.len() - at).min(32) + 1);
    match random.below(10) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = u8::try_from(random.below(256)).unwrap_or_default();
            }
        }
        2 => drop(input.drain(at..until)),
        3 | 4 => drop(input.splice(at..until, words.get(random.below(words.len())).unwrap_or(&"").bytes())),
        5 => drop(input.splice(at..at, ODD[random.below(ODD.len())].bytes())),
        6 => {
            // The same again, often: depth, length and repetition come from here.
            let part = input[at..until].to_vec();
            let times = 1 << random.below(8);
            for _ in 0..times {
                if input.len() < MAX_BYTES {
                    input.splice(at..at, part.iter().copied());
                }
            }
        }
        7 => {
            // A part of another input, in the place of a part.
            let other = &others[random.below(others.len())];
            let from = random.below(other.len() + 1);
            let to = from + random.below(other.len() - from + 1);
            input.splice(at..until, other[from..to].iter().copied());
        }
        8 => {
            // Another number in the place of one.
            if let Some(found) = input[at..].iter().position(u8::is_ascii_digit) {
                let start = at + found;
                let len = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number = random.next() >> random.below(64);
                input.splice(start..start + len, number.to_string().bytes());
            }
        }
        _ => {
            let word = words.get(random.below(words.len())).unwrap_or(&"").bytes();
            input.splice(at..at, word);
        }
    }
}
