//! Snapshots of the traces that filters let through.

use rustc_hash::FxHashMap;

use crate::model::{BaseFilter, Snapshot, Trace, Traceback};

impl Snapshot {
    /// The traces that match at least one of the inclusive `filters` (if there are any) and none of the exclusive
    /// ones, in their order. Without filters, a copy.
    pub fn filter_traces(&self, filters: &[&dyn BaseFilter]) -> Snapshot {
        self.filter_traces_as(filters, Traceback::clone)
    }

    /// The same, with filters that look at `seen` of each traceback; what is kept keeps its own.
    pub fn filter_traces_as(
        &self,
        filters: &[&dyn BaseFilter],
        mut seen: impl FnMut(&Traceback) -> Traceback,
    ) -> Snapshot {
        let (include, exclude): (Vec<_>, Vec<_>) = filters.iter().partition(|filter| filter.inclusive());
        let mut passes = |trace: &Trace| {
            let traceback = seen(&trace.traceback);
            let passes = |filter: &&dyn BaseFilter| filter.passes(trace.domain, &traceback);
            (include.is_empty() || include.iter().any(passes)) && exclude.iter().all(passes)
        };
        // Filters look at domain and traceback alone, so one look at each shared traceback is enough.
        let mut known: FxHashMap<(usize, u32), bool> = FxHashMap::default();
        let mut keeps = |trace: &&Trace| {
            *known.entry((trace.traceback.identity(), trace.domain)).or_insert_with(|| passes(trace))
        };
        Snapshot {
            traces: self.traces.iter().filter(|trace| keeps(trace)).cloned().collect(),
            traceback_limit: self.traceback_limit,
            origin: self.origin.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::create_snapshots;
    use crate::model::{DomainFilter, Filter};

    /// The places of the traces of `part` in the old snapshot of the fixture.
    fn places(part: &Snapshot) -> Vec<(u32, u64, String)> {
        part.traces.iter().map(|trace| (trace.domain, trace.size, trace.traceback.to_string())).collect()
    }

    fn old(places: &[usize]) -> Vec<(u32, u64, String)> {
        let (old, _) = create_snapshots();
        places
            .iter()
            .map(|&place| {
                let trace = &old.traces[place];
                (trace.domain, trace.size, trace.traceback.to_string())
            })
            .collect()
    }

    #[test]
    fn files_and_lines_filter_as_in_cpython() {
        let (snapshot, _) = create_snapshots();
        let without_b = snapshot.filter_traces(&[&Filter::new(false, "b.py")]);
        assert_eq!(places(&without_b), old(&[0, 1, 2, 3, 5]));
        let line_2 = Filter::new(true, "a.py").with_lineno(2);
        let line_5 = Filter::new(true, "a.py").with_lineno(5);
        assert_eq!(places(&without_b.filter_traces(&[&line_2, &line_5])), old(&[0, 1, 2, 3]));
        let copy = snapshot.filter_traces(&[]);
        assert_eq!(copy, snapshot);
        assert_eq!(copy.traceback_limit, 2);
    }

    #[test]
    fn domains_filter_as_in_cpython() {
        let (snapshot, _) = create_snapshots();
        let filtered = |filter: &dyn BaseFilter| places(&snapshot.filter_traces(&[filter]));
        assert_eq!(filtered(&Filter::new(false, "a.py").with_domain(1)), old(&[0, 1, 2, 4, 5]));
        assert_eq!(filtered(&Filter::new(true, "a.py").with_domain(1)), old(&[3]));
        assert_eq!(filtered(&DomainFilter::new(false, 3)), old(&[0, 1, 2, 3, 4]));
        assert_eq!(filtered(&DomainFilter::new(true, 3)), old(&[5]));
    }

    #[test]
    fn inclusive_filters_add_and_exclusive_ones_take_away() {
        let (snapshot, _) = create_snapshots();
        let (a, b) = (Filter::new(true, "a.py"), Filter::new(true, "b.py"));
        let not_line_5 = Filter::new(false, "*").with_lineno(5);
        let filtered = snapshot.filter_traces(&[&not_line_5, &a, &b, &DomainFilter::new(false, 2)]);
        assert_eq!(places(&filtered), old(&[0, 1, 2]));
    }
}
