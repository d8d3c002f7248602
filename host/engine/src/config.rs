//! How wasmtime is set up: one place, so that every guest runs under the same rules.

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// What an operator may choose about the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Instances alive at once, over all plugins. A call beyond that waits for a free place.
    pub max_instances: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { max_instances: 128 }
    }
}

/// Stack that wasm code may use; a recursion beyond it traps.
const WASM_STACK: usize = 512 << 10;
/// Whole stack of a call; what is above [`WASM_STACK`] is for host functions.
const CALL_STACK: usize = 2 << 20;
/// A component from Rust is three core modules, one from Python (one per shared library) some dozens.
const CORE_INSTANCES: u32 = 100;
/// Linear memories of one component; nearly all have one.
const MEMORIES: u32 = 4;
/// Tables of one component: one per language runtime, one for the shims.
const TABLES: u32 = 8;
/// Elements of one table; a Python interpreter needs some 20,000.
pub(crate) const TABLE_ELEMENTS: usize = 64 << 10;
/// Bytes of bookkeeping of one component or core instance; the default is too small for interpreters.
const METADATA: usize = 4 << 20;

/// The settings with the pooling allocator, or with plain allocation where address space is short.
pub(crate) fn wasmtime_config(config: &EngineConfig, pooled: bool) -> Config {
    let mut settings = Config::new();
    settings
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(CALL_STACK)
        // Function names suffice; a guest's debug information is not worth parsing at a trap.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .generate_address_map(false)
        // Nobody unwinds guests but wasmtime, which has tables of its own.
        .native_unwind_info(false);
    if pooled {
        let per_component = |count: u32| config.max_instances.saturating_mul(count);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(config.max_instances)
            .total_stacks(config.max_instances)
            .total_core_instances(per_component(CORE_INSTANCES))
            .total_memories(per_component(MEMORIES))
            .total_tables(per_component(TABLES))
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(TABLES)
            .max_component_instance_size(METADATA)
            .max_core_instance_size(METADATA)
            .table_elements(TABLE_ELEMENTS);
        settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    } else {
        settings.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    }
    settings
}
