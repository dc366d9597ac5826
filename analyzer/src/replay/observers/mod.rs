//! What is added up while a process is replayed.

mod activities;
mod allocations;
mod churn;
mod latest;
mod lifetimes;
mod slices;
mod timeline;

pub use activities::Activities;
pub use allocations::Allocations;
pub use churn::Churn;
pub use latest::LatestBlocks;
pub use lifetimes::Lifetimes;
pub use slices::{Cell, CourseStep, Flow, Grid, Histogram, Place, SiteSlices, SliceSums, SliceTime, Slices};
pub use timeline::{Step, Timeline};
