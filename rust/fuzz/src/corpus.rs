//! The corpora: one text file for each target, one input a line, in hexadecimal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file of a target.
#[must_use]
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{name}.hex"))
}

/// The inputs of a target; the seeds where there is no file yet.
#[must_use]
pub fn load(name: &str) -> Vec<Vec<u8>> {
    match fs::read_to_string(file(name)) {
        Ok(text) => text.lines().map(decode).collect(),
        Err(_) => seeds(),
    }
}

/// Inputs to begin with: a few octets of every kind, and a ClientHello's beginning.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let counted: Vec<u8> = (0..=255).collect();
    let hello = [&[1, 0, 0, 5, 22, 3, 1, 0, 9, 1, 0, 0, 5][..], &[3, 3, 0, 0, 0], &[21, 3, 3, 0, 2, 1, 0]].concat();
    vec![vec![0; 64], vec![0xff; 64], counted, hello]
}

/// Write the inputs out as files for libFuzzer; gives how many.
pub fn unpack(name: &str, folder: &Path) -> io::Result<usize> {
    fs::create_dir_all(folder)?;
    let inputs = load(name);
    for (number, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("{number:05}")), input)?;
    }
    Ok(inputs.len())
}

/// Take the inputs of a folder, shortest first, as the new corpus; gives how many.
pub fn pack(name: &str, folder: &Path) -> io::Result<usize> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder)? {
        inputs.push(fs::read(entry?.path())?);
    }
    inputs.sort_by_key(|input| (input.len(), input.clone()));
    inputs.dedup();
    let text: String = inputs.iter().map(|input| encode(input) + "\n").collect();
    fs::write(file(name), text)?;
    Ok(inputs.len())
}

/// Octets as text.
#[must_use]
pub fn encode(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Text as octets; what is no hexadecimal is left out.
#[must_use]
pub fn decode(line: &str) -> Vec<u8> {
    let digits: Vec<u8> = line.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
