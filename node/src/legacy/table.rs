//! The tables of the old system that are read, and the columns of each.

/// A table of the old system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    /// When the database was made; tells databases apart.
    Migrations,
    Users,
    Tokens,
    Drinks,
    Favorites,
    Preferences,
    Inventory,
    Orders,
    OrderDrinks,
    Revenue,
    Notifications,
}

impl Table {
    pub(super) const ALL: [Self; 11] = [
        Self::Migrations,
        Self::Users,
        Self::Tokens,
        Self::Drinks,
        Self::Favorites,
        Self::Preferences,
        Self::Inventory,
        Self::Orders,
        Self::OrderDrinks,
        Self::Revenue,
        Self::Notifications,
    ];

    /// Its name in the database.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Migrations => "django_migrations",
            Self::Users => "auth_user",
            Self::Tokens => "authtoken_token",
            Self::Drinks => "backend_drink",
            Self::Favorites => "backend_drink_Favorite",
            Self::Preferences => "backend_preference",
            Self::Inventory => "backend_inventory",
            Self::Orders => "backend_order",
            Self::OrderDrinks => "backend_order_Drinks",
            Self::Revenue => "backend_revenue",
            Self::Notifications => "backend_notification",
        }
    }

    /// The columns that are read.
    pub(super) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Migrations => &["app", "name", "applied"],
            Self::Users => &[
                "id",
                "password",
                "is_superuser",
                "username",
                "first_name",
                "last_name",
                "email",
                "is_staff",
                "is_active",
                "date_joined",
            ],
            Self::Tokens => &["key", "user_id"],
            Self::Drinks => &[
                "DrinkID",
                "Name",
                "SyrupsUsed",
                "SodaUsed",
                "AddIns",
                "Rating",
                "Price",
                "Size",
                "Ice",
                "User_Created",
            ],
            Self::Favorites => &["id", "drink_id", "user_id"],
            Self::Preferences => &["PreferenceID", "Preference", "UserID_id"],
            Self::Inventory => &["InventoryID", "ItemName", "ItemType", "Quantity", "ThresholdLevel", "LastUpdated"],
            Self::Orders => &[
                "OrderID",
                "OrderStatus",
                "PaymentStatus",
                "PickupTime",
                "CreationTime",
                "LockerCombo",
                "StripeID",
                "UserID_id",
            ],
            Self::OrderDrinks => &["id", "order_id", "drink_id"],
            Self::Revenue => &["RevenueID", "OrderID", "TotalAmount", "SaleDate", "Refunded"],
            Self::Notifications => &["NotificationID", "Message", "Timestamp", "Type", "Global", "UserID_id"],
        }
    }

    /// Whether a database without it can be brought over all the same.
    pub(super) const fn is_optional(self) -> bool {
        matches!(self, Self::Migrations | Self::Tokens)
    }

    /// The table of a name, with or without a schema, quoted or not.
    pub(super) fn of(name: &str) -> Option<Self> {
        let bare = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
        Self::ALL.into_iter().find(|table| table.name() == bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_dumps_write_them() {
        assert_eq!(Table::of("public.auth_user"), Some(Table::Users));
        assert_eq!(Table::of("public.\"backend_order_Drinks\""), Some(Table::OrderDrinks));
        assert_eq!(Table::of("backend_drink"), Some(Table::Drinks));
        assert_eq!(Table::of("public.auth_group"), None);
    }
}
