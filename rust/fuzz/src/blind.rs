//! `blind TARGET [SECONDS] [SEED]`: run one target without coverage; `blind TARGET INPUT` in hexadecimal repeats one input.
//! `blind --unpack TARGET FOLDER` and `--pack TARGET FOLDER` carry a corpus to libFuzzer and back.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use tlscore_fuzz::engine::{run, Until};
use tlscore_fuzz::{corpus, target, TARGETS};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--unpack", name, folder] => done(corpus::unpack(name, Path::new(folder))),
        ["--pack", name, folder] => done(corpus::pack(name, Path::new(folder))),
        [name, rest @ ..] if target(name).is_some() => fuzz(name, rest),
        _ => {
            let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            eprintln!("usage: blind TARGET [SECONDS] [SEED], or blind TARGET INPUT; targets: {}", names.join(", "));
            ExitCode::from(2)
        }
    }
}

fn done(result: std::io::Result<usize>) -> ExitCode {
    match result {
        Ok(count) => println!("{count} inputs"),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn fuzz(name: &str, words: &[&str]) -> ExitCode {
    let Some(target) = target(name) else { return ExitCode::from(2) };
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    // Ten digits and more are no number of seconds.
    if let [input] = words {
        if numbers.is_empty() || input.len() > 9 {
            target(&corpus::decode(input));
            println!("{name}: nothing wrong with this input");
            return ExitCode::SUCCESS;
        }
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64);
    let (seconds, seed) = (numbers.first().copied().unwrap_or(10), numbers.get(1).copied().unwrap_or(now));
    println!("{name}: seed {seed}, {seconds} s");
    let executions = run(name, target, seed, &Until::Time(Instant::now() + Duration::from_secs(seconds)));
    println!("{name}: {executions} executions, nothing found");
    ExitCode::SUCCESS
}
