//! The bound on what one instance may allocate.

use wasmtime::{ResourceLimiter, Result};

use crate::config::TABLE_ELEMENTS;
use crate::failure::Exceeded;

/// Counts the linear memory and table elements of one store, and ends the guest that wants too much.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: u64,
    memory: u64,
    peak: u64,
    last_growth: u64,
    elements: usize,
}

impl Limiter {
    /// Allows `limit` bytes of linear memory, over all memories of the instance together.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, memory: 0, peak: 0, last_growth: 0, elements: 0 }
    }

    /// The most linear memory that was in use.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let total = self.memory.saturating_add(growth);
        if total > self.limit {
            // A trap rather than a refusal: what a guest does with a failed `memory.grow` is a trap
            // anyway, only one that does not say why.
            return Err(Exceeded::Memory.into());
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.last_growth = growth;
        self.memory = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        tracing::debug!(%error, "linear memory could not grow");
        self.memory = self.memory.saturating_sub(std::mem::take(&mut self.last_growth));
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let total = self.elements.saturating_add(desired.saturating_sub(current));
        if total > TABLE_ELEMENTS {
            return Err(Exceeded::Table.into());
        }
        self.elements = total;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together_and_a_failed_growth_is_given_back() {
        let mut limiter = Limiter::new(300);
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no memory")).unwrap();
        assert!(limiter.memory_growing(100, 300, None).unwrap());
        assert_eq!(limiter.peak(), 300);
        let error = limiter.memory_growing(0, 1, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Memory));
    }

    #[test]
    fn tables_are_bounded() {
        let mut limiter = Limiter::new(0);
        assert!(limiter.table_growing(0, TABLE_ELEMENTS, None).unwrap());
        let error = limiter.table_growing(0, 1, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Table));
    }
}
