"""
Answers transcribed from Copper's documentation, each with the page that shows it (developer.copper.com, and the pages of
2019 for those that show no answer today). Records in full; lists cut to what shows their shape.
"""

from __future__ import annotations

#: Answers shown in the documentation, by the page that shows them.
RECORDS: list[tuple[str, str, str]] = [
    (
        "people",
        "developer.copper.com/people/create-a-new-person.html",
        """{"id": 27140448, "name": "My Contact", "prefix": null, "first_name": "My", "middle_name": null,
        "last_name": "Contact", "suffix": null, "address": null, "assignee_id": null, "company_id": null,
        "company_name": null, "contact_type_id": 451492, "details": null,
        "emails": [{"email": "mycontact_1233@noemail.com", "category": "work"}],
        "phone_numbers": [{"number": "415-123-45678", "category": "mobile"}], "socials": [], "tags": [], "title": null,
        "websites": [], "custom_fields": [{"custom_field_definition_id": 100764, "value": null}],
        "date_created": 1490045450, "date_modified": 1490045450}""",
    ),
    (
        "companies",
        "developer.copper.com/companies/create-a-new-company.html",
        """{"id": 13358412, "name": "Demo Company", "address": {"street": "123 Main St", "city": "San Francisco",
        "state": "CA", "postal_code": "94105", "country": null}, "assignee_id": null, "contact_type_id": null,
        "details": "This is a demo company", "email_domain": "democompany.com",
        "phone_numbers": [{"number": "415-123-45678", "category": "work"}], "socials": [], "tags": [], "websites": [],
        "custom_fields": [{"custom_field_definition_id": 100764, "value": null}], "interaction_count": 0,
        "date_created": 1496707930, "date_modified": 1496707930}""",
    ),
    (
        "opportunities",
        "developer.copper.com/opportunities/create-a-new-opportunity.html",
        """{"id": 4956209, "name": "New Demo Opportunity", "assignee_id": null, "close_date": null,
        "company_id": 13349319, "company_name": "Noemail", "customer_source_id": 331242, "details": null,
        "loss_reason_id": null, "pipeline_id": 213214, "pipeline_stage_id": 987790, "primary_contact_id": 27140359,
        "priority": "None", "status": "Open", "tags": [], "interaction_count": 0, "monetary_value": null,
        "win_probability": 5, "date_last_contacted": null, "leads_converted_from": [], "date_created": 1502158599,
        "date_modified": 1502158599, "custom_fields": [{"custom_field_definition_id": 126240, "value": null}]}""",
    ),
    (
        "leads",
        "developer.copper.com/leads/create-a-new-lead.html",
        """{"id": 13244480, "name": "My Lead", "prefix": null, "first_name": "My", "last_name": "Lead",
        "middle_name": null, "suffix": null, "address": null, "assignee_id": null, "company_name": null,
        "customer_source_id": 331242, "details": null, "email": {"email": "mylead@noemail.com", "category": "work"},
        "interaction_count": 0, "monetary_value": null, "socials": [], "status": "New", "status_id": 208231, "tags": [],
        "title": null, "websites": [], "phone_numbers": [{"number": "415-123-45678", "category": "mobile"}],
        "custom_fields": [{"custom_field_definition_id": 128735, "value": null}], "date_created": 1502158444,
        "date_modified": 1502158444, "date_last_contacted": null}""",
    ),
    (
        "projects",
        "developer.copper.com/projects/create-a-new-project.html",
        """{"id": 208105, "name": "New Demo Project", "related_resource": null, "assignee_id": null, "status": "Open",
        "details": null, "tags": [], "custom_fields": [], "date_created": 1496713867, "date_modified": 1496713867}""",
    ),
    (
        "tasks",
        "developer.copper.com/tasks/create-a-new-task.html",
        """{"id": 3726701, "name": "Demo Task", "related_resource": {"id": null, "type": null}, "assignee_id": 137658,
        "due_date": null, "reminder_date": null, "completed_date": null, "priority": "None", "status": "Open",
        "details": null, "tags": [], "custom_fields": [], "date_created": 1496771985, "date_modified": 1496771985}""",
    ),
    (
        "activities",
        "developer.copper.com/activities/create-a-new-activity.html",
        """{"id": 3064242278, "parent": {"id": 27140359, "type": "person"}, "type": {"id": 0, "category": "user"},
        "user_id": 137658, "details": "This is the description of this note", "activity_date": 1496772355,
        "old_value": null, "new_value": null, "date_created": 1496772355, "date_modified": 1496772355}""",
    ),
]

#: What is no record: the call, the page, and the answer shown there.
OTHERS: list[tuple[str, str, str]] = [
    (
        "GET /account",
        "developer.copper.com/account-and-users/fetch-account-details.html",
        """{"id": 100624, "name": "Dev API Sandbox"}""",
    ),
    (
        "POST /users/search",
        "developer.copper.com/account-and-users/list-users.html",
        """[{"id": 137658, "name": "John Doe", "email": "johndoe@copper.com"},
        {"id": 159258, "name": "Jane Smith", "email": "janesmith@copper.com"}]""",
    ),
    (
        "GET /pipelines",
        "developer.copper.com/opportunities/list-pipelines.html",
        """[{"id": 213214, "name": "Sales", "stages": [{"id": 987790, "name": "Qualified", "win_probability": 5},
        {"id": 987791, "name": "Follow-up", "win_probability": 10}]},
        {"id": 213215, "name": "Business Development", "stages": [
        {"id": 987795, "name": "First Meeting", "win_probability": 10}]}]""",
    ),
    (
        "GET /pipeline_stages",
        "developer.copper.com/opportunities/list-pipeline-stages.html",
        """[{"id": 987790, "name": "Qualified", "pipeline_id": 213214, "win_probability": 5},
        {"id": 987795, "name": "First Meeting", "pipeline_id": 213215, "win_probability": 10}]""",
    ),
    (
        "GET /lead_statuses",
        "developer.copper.com/leads/list-lead-statuses.html",
        """[{"id": 208231, "name": "New", "order": 1, "is_default": true},
        {"id": 208232, "name": "Open", "order": 2, "is_default": false}]""",
    ),
    (
        "GET /contact_types",
        "developer.copper.com/companies/list-contact-types.html",
        """[{"id": 451490, "name": "Potential Customer"}, {"id": 451491, "name": "Current Customer"}]""",
    ),
    (
        "GET /customer_sources",
        "developer.copper.com/leads/list-customer-sources.html",
        """[{"id": 331240, "name": "Email"}, {"id": 331241, "name": "Cold Call"}]""",
    ),
    (
        "GET /loss_reasons",
        "developer.copper.com/opportunities/list-loss-reasons.html",
        """[{"id": 308806, "name": "Price"}, {"id": 308807, "name": "Features"}, {"id": 308808, "name": "Competitor"}]""",
    ),
    (
        "GET /activity_types",
        "developer.copper.com/activities/list-activity-types.html",
        """{"user": [{"id": 0, "category": "user", "name": "Note", "is_disabled": false, "count_as_interaction": false},
        {"id": 190711, "category": "user", "name": "Phone Call", "is_disabled": false, "count_as_interaction": true}],
        "system": [{"id": 1, "category": "system", "name": "Property Changed", "is_disabled": false,
        "count_as_interaction": false}, {"id": 3, "category": "system", "name": "Pipeline Stage Changed",
        "is_disabled": false, "count_as_interaction": false}]}""",
    ),
    (
        "GET /custom_activity_types",
        "developer.copper.com/custom-fields/general/list-all-custom-activity-types.html",
        """[{"id": 1, "company_id": 1, "icon_type": "Phone", "is_disabled": false, "is_interaction": true,
        "name": "Phone Call", "is_default_task_type": null}, {"id": 3, "company_id": 1, "icon_type": "Todo",
        "is_disabled": false, "is_interaction": false, "name": "To Do", "is_default_task_type": true}]""",
    ),
    (
        "GET /custom_field_definitions",
        "developer.copper.com/custom-fields/general/list-custom-field-definitions.html",
        """[{"id": 100764, "name": "A Text Field", "data_type": "String",
        "available_on": ["company", "opportunity", "lead", "person"]},
        {"id": 126240, "name": "Color option", "data_type": "Dropdown", "available_on": ["opportunity", "project"],
        "options": [{"id": 167776, "name": "Yellow", "rank": 4}, {"id": 167772, "name": "Red", "rank": 0}]}]""",
    ),
    (
        "POST /related_links",
        "developer.copper.com/custom-fields/connect-fields/create-a-connection.html",
        """{"id": 2103, "custom_field_definition_id": 169, "source": {"id": 1001, "entity_type": "lead", "name": "1001"},
        "target": {"id": 1002, "entity_type": "lead", "name": "1002"}}""",
    ),
    (
        "DELETE /related_links/{id}",
        "developer.copper.com/custom-fields/connect-fields/delete-a-connection.html",
        """{"ids": [40085, 40086], "is_deleted": true}""",
    ),
    (
        "POST /webhooks",
        "developer.copper.com/webhooks/create-new-subscription.html",
        """{"id": 17065, "target": "https://your.endpoint.here", "type": "lead", "event": "update",
        "secret": {"secret": "hook_source", "key": "copper_notifications"}, "created_at": 1489173015}""",
    ),
    (
        "POST /people/{id}/related",
        "developer.copper.com/related-items/relate-an-existing-record-to-an-entity.html",
        """{"added": true, "resource": {"id": 2827700, "type": "opportunity"}}""",
    ),
    (
        "GET /people/{id}/related",
        "developer.copper.com/related-items/view-all-records-related-to-an-entity.html",
        """[{"id": 4417020, "type": "opportunity"}]""",
    ),
    (
        "DELETE /people/{id}/related",
        "developer.copper.com/related-items/remove-relationship-between-record-and-entity.html",
        """{"removed": true, "resource": {"id": 2827700, "type": "opportunity"}}""",
    ),
    (
        "DELETE /people/{id}",
        "developer.copper.com/people/delete-a-person.html",
        """{"id": 26443553, "is_deleted": true}""",
    ),
    (
        "POST /people/{id}/files",
        "developer.copper.com/files/relate-a-file.html",
        """{"id": 1, "is_deleted": false, "file_name": "a.pdf", "file_size": 3, "content_type": "application/pdf",
        "creator_id": 137658, "date_created": 1496772355, "date_modified": 1496772355}""",
    ),
]
