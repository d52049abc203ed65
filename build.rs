//! Lets the program find the speech libraries that lie beside it: the link argument of a dependency's own build
//! script does not reach the final binary.
fn main() {
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN:$ORIGIN/..:$ORIGIN/../lib:$ORIGIN/../lib/tingwa");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/store/migrations");
}
