//! The plugin's own metrics, as its manifest declares them.

use std::marker::PhantomData;

use crate::{
    Context, Error,
    host::{Calls as _, Measure, Series},
};

/// A number that refers to a metric, label or value that the manifest does not declare is logged as a
/// warning, and no reason to fail.
impl Context {
    /// A metric that only grows.
    ///
    /// ```
    /// # use joch_plugin::{Context, Failure};
    /// # fn example(cx: &Context) {
    /// cx.counter("builds_total").label("result", "failed").add(1.0);
    /// # }
    /// ```
    pub fn counter<'cx>(&'cx self, name: &str) -> Metric<'cx, Counter> {
        Metric::new(self, Measure::Add, name)
    }

    /// A metric that goes up and down.
    pub fn gauge<'cx>(&'cx self, name: &str) -> Metric<'cx, Gauge> {
        Metric::new(self, Measure::Set, name)
    }

    /// A metric that counts values by their size.
    pub fn histogram<'cx>(&'cx self, name: &str) -> Metric<'cx, Histogram> {
        Metric::new(self, Measure::Observe, name)
    }
}

/// Marks a [`Metric`] that only grows.
#[derive(Debug)]
pub enum Counter {}

/// Marks a [`Metric`] that goes up and down.
#[derive(Debug)]
pub enum Gauge {}

/// Marks a [`Metric`] that counts values by their size.
#[derive(Debug)]
pub enum Histogram {}

/// One series of a metric, made by [`Context::counter`], [`Context::gauge`] or [`Context::histogram`].
#[derive(Debug)]
#[must_use = "nothing is measured before `add`, `set` or `observe`"]
pub struct Metric<'cx, Of> {
    cx: &'cx Context,
    series: Series,
    of: PhantomData<Of>,
}

impl<'cx, Of> Metric<'cx, Of> {
    fn new(cx: &'cx Context, measure: Measure, name: &str) -> Self {
        let series = Series { measure, metric: name.to_owned(), labels: Vec::new() };
        Self { cx, series, of: PhantomData }
    }

    /// The value of one label; the manifest declares which there are.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.series.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    fn measure(self, value: f64) {
        let Self { cx, series, .. } = self;
        if let Err(error) = cx.host().measure(&series, value) {
            let error = Error::about(cx.target())(error);
            cx.warn("metric refused", &[("metric", &series.metric), ("error", &error)]);
        }
    }
}

impl Metric<'_, Counter> {
    /// Adds a number, which is not negative.
    pub fn add(self, by: f64) {
        self.measure(by);
    }
}

impl Metric<'_, Gauge> {
    /// Sets the number.
    pub fn set(self, to: f64) {
        self.measure(to);
    }
}

impl Metric<'_, Histogram> {
    /// Counts one value.
    pub fn observe(self, value: f64) {
        self.measure(value);
    }
}
