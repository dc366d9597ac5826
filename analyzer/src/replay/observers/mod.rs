//! What is added up while a process is replayed.

mod allocations;
mod churn;
mod latest;
mod lifetimes;
mod lives;
mod moments;
mod timeline;

pub use allocations::Allocations;
pub use churn::Churn;
pub use latest::LatestBlocks;
pub use lifetimes::Lifetimes;
pub use lives::{Life, Lives};
pub use moments::{Lived, Moments};
pub use timeline::{Step, Timeline};
