//! The table's shape, for the embedded engine. The deployed table has the same; a test compares them.

use crate::client::Store;
use crate::error::{StoreError, from_sdk};
use crate::item::attribute;
use crate::key::{INDEX_BY_ARR, INDEX_BY_MRR, INDEX_BY_NAME};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};

const INDEXES: [(&str, &str); 3] =
    [(INDEX_BY_MRR, attribute::BY_MRR), (INDEX_BY_ARR, attribute::BY_ARR), (INDEX_BY_NAME, attribute::BY_NAME)];

fn key(partition: &str, sort: &str) -> Result<[KeySchemaElement; 2], BuildError> {
    Ok([
        KeySchemaElement::builder().attribute_name(partition).key_type(KeyType::Hash).build()?,
        KeySchemaElement::builder().attribute_name(sort).key_type(KeyType::Range).build()?,
    ])
}

fn text(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
}

fn index(name: &str, sort: &str) -> Result<GlobalSecondaryIndex, BuildError> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(key(attribute::LIST, sort)?.into()))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
}

impl Store {
    /// Makes the table unless it is there. In AWS the template makes it; this is for engines that have none.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub async fn create_table_if_missing(&self) -> Result<(), StoreError> {
        let described = self.client().describe_table().table_name(self.table()).send().await;
        match described {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) => {
                self.create_table().await
            }
            Err(error) => Err(from_sdk(error)),
        }
    }

    async fn create_table(&self) -> Result<(), StoreError> {
        let build = |error: BuildError| StoreError::Refused(error.into());
        let mut request = self
            .client()
            .create_table()
            .table_name(self.table())
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(key(attribute::PK, attribute::SK).map_err(build)?.into()));
        for name in [attribute::PK, attribute::SK, attribute::LIST] {
            request = request.attribute_definitions(text(name).map_err(build)?);
        }
        for (name, sort) in INDEXES {
            request = request
                .attribute_definitions(text(sort).map_err(build)?)
                .global_secondary_indexes(index(name, sort).map_err(build)?);
        }
        request.send().await.map(|_| ()).map_err(from_sdk)
    }
}
