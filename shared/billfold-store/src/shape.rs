//! The table's shape in DynamoDB, for tests. The deployed table has the same; a test compares them.

use crate::error::{StoreError, from_sdk};
use crate::item::attribute;
use crate::key::{INDEX_BY_ARR, INDEX_BY_MRR, INDEX_BY_NAME};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
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

/// Makes the table. In AWS the template does.
pub(crate) async fn create_table(client: &Client, table: &str) -> Result<(), StoreError> {
    let mut request = client
        .create_table()
        .table_name(table)
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

fn build(error: BuildError) -> StoreError {
    StoreError::Refused(error.into())
}
