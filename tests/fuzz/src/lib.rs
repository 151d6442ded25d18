//! Fuzzing with a stable toolchain: inputs of a corpus, changed at random, for a time.
//!
//! Which branches an input takes cannot be seen without instrumentation, so each target says what came of an input in a
//! few words (which fields were refused and why, how large the answer is), and an input of which something new came is
//! changed further. What a target finds wrong it panics at; the input is then kept in a file, and belongs into the corpus
//! once it is mended: every input of the corpus is tried first, every time.
//!
//! `FUZZ_SECONDS` says how long each target runs, `FUZZ_SEED` where the changes begin: the same seed makes the same inputs.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    fs,
    hash::{Hash as _, Hasher as _},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a target runs unless `FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 30;
/// The longest input that is made, in bytes; what counts with larger ones is tried through the door.
const MAX_BYTES: usize = 16 * 1_024;
/// The most inputs that are kept to be changed further.
const MAX_KEPT: usize = 4_096;
/// What breaks readers of anything.
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

/// Numbers that look random and follow from a seed (xorshift64*).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below a bound; 0 below 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        usize::try_from((self.next() >> 16).checked_rem(bound).unwrap_or_default()).unwrap_or_default()
    }
}

/// Tries the corpus of a target, and then what it becomes by changes, until the time is up.
///
/// `words` are what inputs of this kind are made of. `check` panics at what is wrong, and says in words what came of it.
///
/// # Panics
/// When `check` does, after the input is written to a file and its name to standard error; without a corpus.
pub fn run(target: &str, words: &[&str], mut check: impl FnMut(&[u8]) -> String) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = fs::read_dir(place.join("corpus").join(target))
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    let mut kept: Vec<Vec<u8>> = files.iter().filter_map(|file| fs::read(file).ok()).collect();

    let seed = setting("FUZZ_SEED").unwrap_or(1);
    let time = Duration::from_secs(setting("FUZZ_SECONDS").unwrap_or(SECONDS));
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
    eprintln!("{target}: {tried} inputs of seed {seed}, {} of them kept, nothing found", kept.len());
}

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own settings")]
    let value = std::env::var(name);
    value.ok()?.parse().ok()
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// One change of an input.
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
