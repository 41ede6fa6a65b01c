//! Tries a property with many bytes, and makes what fails small.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use proptest::{
    strategy::{BoxedStrategy, Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::canary::CANARY;

/// Whether something holds of bytes.
type Property = Box<dyn Fn(&[u8]) -> String>;

/// What is tried.
pub struct Target {
    /// Its name, which is that of its folder in `found/`.
    pub name: &'static str,
    /// Bytes that get past the first looks.
    pub seeds: Vec<Vec<u8>>,
    /// Pieces that mean something to it.
    pub words: &'static [&'static [u8]],
    /// Bytes of its kind.
    pub strategy: BoxedStrategy<Vec<u8>>,
    /// Panics where something does not hold. What it returns tells kinds of outcomes apart: inputs with a new
    /// one are mutated further.
    pub property: Property,
    /// Seconds of a processor that one input may take.
    pub work: u64,
}

/// Longer inputs are cut.
const LONGEST: usize = 16 << 10;

/// As many inputs are kept to mutate.
const MOST_KEPT: usize = 2_000;

/// KiB by which the process may grow with one input, in memory that is used and that is only asked for.
const GROWTH: (u64, u64) = (64 << 10, 1 << 20);

/// An input that takes longer does not end.
const ENDLESS: Duration = Duration::from_secs(120);

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics on threads that no property runs on: on those that it starts.
static STRAY: AtomicUsize = AtomicUsize::new(0);

/// Panics within a property are told once, at the end, and not each time that they are tried.
fn hold_tongues() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if QUIET.get() {
                let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
                SAID.replace(format!(
                    "{}: {}",
                    place.unwrap_or_default(),
                    info.payload_as_str().unwrap_or("?")
                ));
            } else {
                // Other tests fail for themselves.
                let of_a_runtime = thread::current().name().is_some_and(|name| name.starts_with("tokio"));
                STRAY.fetch_add(usize::from(of_a_runtime), Ordering::SeqCst);
                before(info);
            }
        }));
    });
}

/// What the process took at most so far, of memory that is used and of all that was asked for, in KiB.
fn peaks() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    (of("VmHWM:"), of("VmPeak:"))
}

/// What this thread has taken of a processor so far.
fn worked() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fuzz", "found", name].iter().collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// The file of an input that failed.
fn write_down(name: &str, input: &[u8]) -> PathBuf {
    use sha2::{Digest as _, Sha256};
    let path = folder(name).join(format!("{}.hex", &hex(&Sha256::digest(input))[..12]));
    let _ = fs::create_dir_all(folder(name));
    let _ = fs::write(&path, hex(input) + "\n");
    path
}

/// When an input was begun with, and the input.
type Trial = (Instant, Vec<u8>);

/// Ends the process where an input never ends, since nothing else can.
struct Watch {
    now: Arc<Mutex<Option<Trial>>>,
    over: Arc<AtomicBool>,
}

impl Watch {
    fn new(name: &'static str) -> Self {
        let watch = Self { now: Arc::default(), over: Arc::default() };
        let (now, over) = (Arc::clone(&watch.now), Arc::clone(&watch.over));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(200));
                let now = now.lock().unwrap();
                if let Some((began, input)) = now.as_ref().filter(|(began, _)| began.elapsed() > ENDLESS) {
                    let path = write_down(name, input);
                    eprintln!(
                        "{name}: no end after {:?}, see {}: {}",
                        began.elapsed(),
                        path.display(),
                        hex(input)
                    );
                    std::process::exit(101);
                }
            }
        });
        watch
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Target {
    /// What the property says of an input; `Err` where it does not hold.
    fn judge(&self, input: &[u8], watch: &Watch) -> Result<String, String> {
        *watch.now.lock().unwrap() = Some((Instant::now(), input.to_vec()));
        let (began, before, strays) = (Instant::now(), worked(), STRAY.load(Ordering::SeqCst));
        QUIET.set(true);
        let said = catch_unwind(AssertUnwindSafe(|| (self.property)(input)));
        QUIET.set(false);
        *watch.now.lock().unwrap() = None;
        let outcome = said.map_err(|_| SAID.take())?;
        if STRAY.load(Ordering::SeqCst) != strays {
            return Err("a thread beside it panicked".into());
        }
        // Others may keep the processors busy: what counts is what it took itself.
        let limit = Duration::from_secs(self.work);
        if began.elapsed() > limit && worked().saturating_sub(before) > limit {
            return Err(format!("it took {:?} of a processor", worked().saturating_sub(before)));
        }
        Ok(outcome)
    }

    /// The least that fails in the same way.
    fn shrunk(&self, input: &[u8], watch: &Watch) -> Vec<u8> {
        let place = |said: &str| said.split(' ').next().unwrap_or_default().to_owned();
        let Err(first) = self.judge(input, watch) else { return input.to_vec() };
        let fails = |input: &[u8]| self.judge(input, watch).is_err_and(|said| place(&said) == place(&first));
        let (began, mut least) = (Instant::now(), input.to_vec());
        let mut piece = least.len() / 2;
        while piece > 0 && began.elapsed() < Duration::from_secs(20) {
            let mut at = 0;
            while at < least.len() {
                let end = (at + piece).min(least.len());
                let less = [&least[..at], &least[end..]].concat();
                if fails(&less) {
                    least = less;
                } else {
                    at = end;
                }
            }
            piece /= 2;
        }
        for at in 0..least.len() {
            let plain = std::mem::replace(&mut least[at], b'0');
            if !fails(&least) {
                least[at] = plain;
            }
        }
        least
    }

    fn fails(&self, input: &[u8], said: &str, seed: u64, watch: &Watch) -> ! {
        let least = self.shrunk(input, watch);
        let said = self.judge(&least, watch).err().unwrap_or_else(|| said.to_owned());
        let path = write_down(self.name, &least);
        panic!(
            "{} (AUTHCON_FUZZ_SEED={seed}): {said}\n{}\n{:?}\nwritten to {}",
            self.name,
            hex(&least),
            String::from_utf8_lossy(&least),
            path.display()
        );
    }

    /// Tries it.
    pub fn run(&self) {
        hold_tongues();
        let watch = Watch::new(self.name);
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        // The same each time, unless told: what fails beside a change is then the change's.
        let seed = number("AUTHCON_FUZZ_SEED").unwrap_or(0);
        let seconds = number("AUTHCON_FUZZ_SECONDS").unwrap_or(3);
        // What once failed comes first.
        let mut found: Vec<PathBuf> = fs::read_dir(folder(self.name))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        found.sort();
        for path in &found {
            let input = unhex(&fs::read_to_string(path).unwrap());
            if let Err(said) = self.judge(&input, &watch) {
                panic!("{} fails again: {said}\n{}", path.display(), hex(&input));
            }
        }
        let mut random = StdRng::seed_from_u64(seed);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &random.random::<[u8; 32]>());
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let (mut kept, mut outcomes) = (Vec::<Vec<u8>>::new(), HashSet::new());
        let (began, mut tried, mut before) = (Instant::now(), 0_u64, peaks());
        let mut seeds = self.seeds.iter().cloned();
        loop {
            // All seeds, however little time there is.
            let input = match seeds.next() {
                Some(seed) => seed,
                None if began.elapsed() >= Duration::from_secs(seconds) => break,
                None if kept.is_empty() || random.random_bool(0.1) => {
                    self.strategy.new_tree(&mut runner).unwrap().current()
                }
                None => {
                    let at = random.random_range(0..kept.len());
                    mutated(&kept[at], &kept, self.words, &mut random)
                }
            };
            let start = Instant::now();
            let outcome = self.judge(&input, &watch);
            tried += 1;
            // To ask is dear beside most inputs, and what takes memory takes time.
            if tried % 64 == 0 || start.elapsed() > Duration::from_millis(5) {
                let after = peaks();
                if after.0.saturating_sub(before.0) > GROWTH.0 || after.1.saturating_sub(before.1) > GROWTH.1
                {
                    let path = write_down(self.name, &input);
                    panic!(
                        "{} grew from {before:?} to {after:?} KiB with one of the last 64 inputs, of which the last is {}",
                        self.name,
                        path.display()
                    );
                }
                before = after;
            }
            match outcome {
                Err(said) => self.fails(&input, &said, seed, &watch),
                Ok(outcome) => {
                    if outcomes.insert(outcome) && kept.len() < MOST_KEPT {
                        kept.push(input);
                    }
                }
            }
        }
        eprintln!(
            "{}: {tried} inputs, {} kinds of outcomes, {} that failed once; AUTHCON_FUZZ_SEED={seed}",
            self.name,
            outcomes.len(),
            found.len()
        );
    }
}

/// Numbers at which lengths and counts go wrong.
const EDGES: [i64; 14] =
    [0, 1, -1, 4, 5, 127, 128, 255, 256, 65_535, 65_536, i32::MAX as i64, i32::MIN as i64, i64::MAX];

/// Something like it, but for a few places.
pub fn mutated(input: &[u8], kept: &[Vec<u8>], words: &[&[u8]], random: &mut StdRng) -> Vec<u8> {
    let mut input = input.to_vec();
    for _ in 0..1 << random.random_range(0..4) {
        let at = random.random_range(0..=input.len());
        let end = (at + random.random_range(0..=16)).min(input.len());
        match random.random_range(0..12) {
            0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            1 if at < input.len() => input[at] = random.random(),
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => input.insert(at, random.random()),
            5 => {
                let piece = input[at..end].to_vec();
                let times = if random.random_bool(0.05) { 500 } else { random.random_range(1..4) };
                input.splice(at..at, piece.repeat(times));
            }
            6 | 7 if !words.is_empty() => {
                let word = words[random.random_range(0..words.len())];
                input.splice(at..if random.random_bool(0.5) { at } else { end }, word.iter().copied());
            }
            8 => drop(input.splice(at..at, CANARY.bytes())),
            9 => {
                let edge = EDGES[random.random_range(0..EDGES.len())];
                let bytes = match random.random_range(0..4) {
                    0 => (edge as i16).to_be_bytes().to_vec(),
                    1 => (edge as i32).to_be_bytes().to_vec(),
                    2 => edge.to_be_bytes().to_vec(),
                    _ => edge.to_string().into_bytes(),
                };
                let end = (at + bytes.len()).min(input.len());
                input.splice(at..end, bytes);
            }
            10 if !kept.is_empty() => {
                let other = &kept[random.random_range(0..kept.len())];
                let from = random.random_range(0..=other.len());
                let to = random.random_range(from..=other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                // A whole digit or letter of another kind, where there is text.
                if let Some(byte) = input.get_mut(at) {
                    *byte = b"0129aZ\"'\\/.-_=+: \n\t\0\x7f\xc3\xff"[random.random_range(0..23)];
                }
            }
        }
    }
    input.truncate(LONGEST);
    input
}
