//! Says what findshlibs finds loaded in this process: a line `bias build-id path` for each object with a path. Run under
//! libtm.so by `tests/modules.rs`.

use findshlibs::{SharedLibrary, SharedLibraryId, TargetSharedLibrary};

fn main() {
    TargetSharedLibrary::each(|object| {
        let id = match object.id() {
            Some(SharedLibraryId::GnuBuildId(bytes)) => {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect()
            }
            _ => String::from("-"),
        };
        println!("{:x} {id} {}", object.virtual_memory_bias().0, object.name().to_string_lossy());
    });
}
