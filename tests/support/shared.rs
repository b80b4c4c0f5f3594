//! The folder of real captures and documents that lies beside the checkout. It is optional
//! outside CI and required there.

use std::path::PathBuf;

/// The site of the captured boots.
pub const LAB_SITE: &str = r#"
    version = 1
    name = "lab"
    [roles]
    distribution-point-pxe = ["198.18.10.1", "192.168.178.97", "192.168.16.10"]
    windows-server = ["192.168.178.1", "192.168.16.1"]
    client = ["198.18.10.0/24", "192.168.178.0/24", "192.168.16.0/24"]
    [require]
    scenarios = ["pxe-boot"]
"#;

/// The path of `name` in the folder, or `None` (said on standard error) where it is missing.
///
/// # Panics
/// In CI, where the folder must be there.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} is missing in CI",
        path.display()
    );
    eprintln!("SKIPPED: {} is not there", path.display());
    None
}

/// Every capture of the folder that is neither malformed nor compressed, in the order of their paths; none, said on
/// standard error, where the folder is missing.
pub fn captures() -> Vec<PathBuf> {
    let Some(folder) = shared("captures") else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = [folder.clone(), folder.join("lab")]
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "pcap" || end == "pcapng")
        })
        .collect();
    paths.sort();
    paths
}
