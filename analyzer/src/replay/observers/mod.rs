//! What is added up while a process is replayed.

mod activities;
mod allocations;
mod churn;
mod folding;
mod latest;
mod lifetimes;
mod lives;
mod moments;
mod program_points;
mod slices;
mod steps;
mod timeline;

pub use activities::{Activities, ActivitySums};
pub use allocations::Allocations;
pub use churn::Churn;
pub(in crate::replay) use folding::Folding;
pub(in crate::replay) use latest::LatestBlock;
pub use latest::LatestBlocks;
pub use lifetimes::Lifetimes;
pub use lives::{Life, Lives};
pub use moments::{Lived, Moments};
pub use program_points::{ProgramPoint, ProgramPoints};
pub use slices::{Cell, CourseStep, Flow, Grid, Histogram, Place, SiteSlices, SliceSums, SliceTime, Slices};
pub use steps::Steps;
pub use timeline::{Step, Timeline};
