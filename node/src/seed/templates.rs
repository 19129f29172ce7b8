//! CSV templates for what people bring from elsewhere: used stock (requirement 3.38), planned repairs (4.24) and the states of
//! machines (4.25). The files are those of `docs/templates/`.

/// A template: its file's name and its text.
pub type Template = (&'static str, &'static str);

/// All templates.
pub const TEMPLATES: &[Template] = &[
    ("usage_template.csv", include_str!("../../../docs/templates/usage_template.csv")),
    ("repair_schedule_template.csv", include_str!("../../../docs/templates/repair_schedule_template.csv")),
    ("machine_status_template.csv", include_str!("../../../docs/templates/machine_status_template.csv")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Profile, goods::STOCK, sites};

    /// The columns that the requirements name.
    const COLUMNS: &[(&str, &str)] = &[
        ("usage_template.csv", "date,store_id,item_name,item_type,quantity_used"),
        (
            "repair_schedule_template.csv",
            "store_number,serial_number,scheduled_date,scheduled_time,action_type,estimated_duration,notes",
        ),
        ("machine_status_template.csv", "store_location,machine_type,operational_date,status,status_date"),
    ];

    fn text(name: &str) -> &'static str {
        TEMPLATES.iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn the_documents_have_the_columns_of_the_requirements() {
        assert_eq!(TEMPLATES.len(), COLUMNS.len());
        for (name, columns) in COLUMNS {
            assert_eq!(text(name).lines().next(), Some(*columns), "{name}");
            assert!(text(name).lines().count() > 1 && text(name).ends_with('\n'), "{name}");
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/templates");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), COLUMNS.len(), "a template that nobody writes");
    }

    #[test]
    fn what_they_show_is_in_the_data() {
        let sites = sites(Profile::Chain);
        let is_store = |code: &str| sites.iter().any(|site| !site.is_hub() && site.code == code);
        for line in text("usage_template.csv").lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let [_, store, name, kind, units] = cells[..] else { panic!("{line}") };
            let named = |names: &&[&str]| names.contains(&name);
            assert!(is_store(store) && units.parse::<u32>().is_ok(), "{line}");
            assert!(STOCK.iter().any(|(known, names)| known.word() == kind && named(names)), "{line}");
        }
        for line in text("repair_schedule_template.csv").lines().skip(1) {
            let (store, rest) = line.split_once(',').unwrap();
            assert!(is_store(store) && rest.starts_with(&format!("SR-{store},")), "{line}");
        }
        for line in text("machine_status_template.csv").lines().skip(1) {
            let found = sites.iter().any(|site| {
                let address = format!("{}, {}, {} {}", site.street, site.city, site.state, site.zip);
                line.starts_with(&format!("\"{address}\","))
            });
            assert!(found, "{line}");
        }
    }
}
