//! The interfaces that a component imports and exports, by the names in its outermost part.

use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload};

/// Imports and exports, sorted; parts that are no interfaces (types, single functions) are left out.
pub(super) fn of(component: &[u8]) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import?;
                    if matches!(import.ty, ComponentTypeRef::Instance(_)) {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Instance {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    imports.sort();
    exports.sort();
    Ok((imports, exports))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_interfaces_count() {
        let component = wat::parse_str(
            r#"(component
                (import "b:b/two@0.1.0" (instance $two))
                (import "a:a/one" (instance))
                (import "function" (func))
                (component (import "c:c/inner" (instance)))
                (export "d:d/three" (instance $two)))"#,
        )
        .unwrap();
        let (imports, exports) = of(&component).unwrap();
        assert_eq!(imports, ["a:a/one", "b:b/two@0.1.0"]);
        assert_eq!(exports, ["d:d/three"]);
    }
}
