//! Sums of blocks: by what they are grouped, how they are added up, and tracemalloc's classes for what comes out.

mod activity;
mod amount;
mod estimates;
mod key;
mod profile;
mod statistic;
mod sums;
mod weight;

pub use activity::{Activity, ActivityProfile, ActivityRow, ActivityUncertainty, Counted, Shown};
pub use amount::Amount;
pub use estimates::EstimatesBy;
pub use key::{Cumulative, KeyType};
pub use profile::{Profile, ProfileRow};
pub use statistic::{Statistic, StatisticDiff};
pub use sums::SumsBy;
pub(in crate::model) use weight::SIGMAS_95;
pub use weight::{Uncertainty, Variance, Weight};
