//! The three products, built once per test process as users build them: in release.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the built products are.
#[derive(Debug)]
pub struct Products {
    /// `libtm.so`.
    pub library: PathBuf,
    /// `libtm_query.so`, beside it.
    pub query_library: PathBuf,
    /// `tmtool`.
    pub tmtool: PathBuf,
}

/// The products: those in the folder `TM_PRODUCTS` if it is set, to test what was built some other way or is installed;
/// else this tree's, built if they are not up to date.
///
/// # Panics
/// They do not build, or are not there.
pub fn products() -> &'static Products {
    static PRODUCTS: OnceLock<Products> = OnceLock::new();
    PRODUCTS.get_or_init(|| {
        if let Some(folder) = std::env::var_os("TM_PRODUCTS") {
            return products_in(&workspace().join(folder));
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--release", "-p", "tm-preload", "-p", "tm-query", "-p", "tmtool"]);
        let status = build.current_dir(workspace()).status().expect("cargo starts");
        assert!(status.success(), "the products do not build: {status}");
        products_in(&target_folder().join("release"))
    })
}

fn products_in(folder: &Path) -> Products {
    let products = Products {
        library: folder.join("libtm.so"),
        query_library: folder.join("libtm_query.so"),
        tmtool: folder.join("tmtool"),
    };
    for product in [&products.library, &products.query_library, &products.tmtool] {
        assert!(product.is_file(), "{} is not there", product.display());
    }
    products
}

/// The workspace's root.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}

/// Where cargo puts what it builds.
pub fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}
