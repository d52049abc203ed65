//! The native ONNX Runtime: where its file is, and the one environment of the process.
//!
//! The recogniser's native library (sherpa-onnx) and our own sessions (ort) share one file, so that only one copy is
//! mapped. `make setup` puts it under `third_party/`; an installed program has it beside itself.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Names the library file, before any place that is searched.
pub const LIBRARY_VARIABLE: &str = "TINGWA_ORT_LIB";
const FILE: &str = "libonnxruntime.so";

/// The runtime cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No file.
    #[error("no {FILE} at {searched}; run `make setup`, or set {LIBRARY_VARIABLE} to the file")]
    Missing {
        /// Places searched, in order.
        searched: String,
    },
    /// The file is there and does not load.
    #[error("{path}: {what}; run `make setup` to fetch the version that this program needs")]
    Refused {
        /// The file.
        path: String,
        /// What the loader said.
        what: String,
    },
}

/// Environment variables that must be set before native code starts, with their values. Set by `main` before threads.
pub const VARIABLES: [(&str, &str); 1] = [("ORT_DISABLE_TELEMETRY", "1")];

/// The library file: the variable, else beside the program and in the library folders of an installation, else the
/// checkout's `third_party`.
pub fn library() -> Result<PathBuf, RuntimeError> {
    if let Some(named) = std::env::var_os(LIBRARY_VARIABLE) {
        let named = PathBuf::from(named);
        return if named.is_file() { Ok(named) } else { Err(missing(&[named])) };
    }
    let beside = std::env::current_exe().ok().and_then(|p| p.parent().map(Path::to_path_buf));
    let mut places: Vec<PathBuf> = Vec::new();
    if let Some(folder) = beside {
        places.extend(["", "..", "../lib", "../lib/tingwa"].map(|at| folder.join(at).join(FILE)));
    }
    places.push(Path::new("third_party/sherpa_onnx/lib").join(FILE));
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("third_party/sherpa_onnx/lib").join(FILE));
    places.iter().find(|p| p.is_file()).cloned().ok_or_else(|| missing(&places))
}

fn missing(places: &[PathBuf]) -> RuntimeError {
    let searched = places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    RuntimeError::Missing { searched }
}

/// The environment of this process; loads the library at the first call.
pub fn environment() -> Result<&'static ort::environment::Environment, RuntimeError> {
    static ENVIRONMENT: OnceLock<Result<ort::environment::Environment, RuntimeError>> = OnceLock::new();
    ENVIRONMENT.get_or_init(load).as_ref().map_err(Clone::clone)
}

fn load() -> Result<ort::environment::Environment, RuntimeError> {
    let path = library()?;
    let refused = |what: String| RuntimeError::Refused { path: path.display().to_string(), what };
    let builder = ort::init_from(&path).map_err(|error| refused(error.to_string()))?;
    builder.with_telemetry(false).with_name("tingwa").build().map_err(|error| refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_is_there_and_cannot_look_up_a_name() {
        let path = library().unwrap_or_else(|error| panic!("{error}"));
        let bytes = std::fs::read(path).unwrap();
        for name in [&b"getaddrinfo"[..], b"gethostbyname", b"curl_easy_init"] {
            assert!(!bytes.windows(name.len()).any(|at| at == name), "{}", String::from_utf8_lossy(name));
        }
        environment().unwrap();
    }

    #[test]
    fn a_missing_library_says_what_to_do() {
        let error = missing(&[PathBuf::from("/a"), PathBuf::from("/b")]).to_string();
        assert_eq!(error, "no libonnxruntime.so at /a, /b; run `make setup`, or set TINGWA_ORT_LIB to the file");
    }
}
