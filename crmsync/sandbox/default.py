"""The account of a sandbox that is given none."""

from __future__ import annotations

DEFAULT_TEXT = """\
account: {id: 1, name: Sandbox, timezone: America/Los_Angeles, currency: USD}
users:
  - {name: Dana, email: dana@ourfirm.com}
  - {name: Lee, email: lee@ourfirm.com}
contact_types: [Potential Customer, Current Customer, Uncategorized, Other]
customer_sources: [Email, Referral, Website, Advertising, Cold call]
loss_reasons: [Price, Competitor, Features, No decision]
lead_statuses: [New, Contacted, Unqualified]
pipelines:
  - name: Sales
    stages:
      - {name: Qualifying, probability: 10}
      - {name: Proposal, probability: 40}
      - {name: Negotiation, probability: 70}
      - {name: Closing, probability: 90}
  - name: Renewals
    stages:
      - {name: Upcoming, probability: 50}
      - {name: Negotiation, probability: 80}
custom_fields:
  - {name: Tier, type: Dropdown, on: [company, person, opportunity], options: [Gold, Silver, Bronze]}
  - {name: Regions, type: MultiSelect, on: [company, person, opportunity], options: [EMEA, APAC, LATAM, NA]}
  - {name: Renewal date, type: Date, on: [company, person, opportunity]}
  - {name: Annual revenue, type: Currency, currency: USD, on: [company, person, opportunity]}
  - {name: Score, type: Float, on: [company, person, opportunity]}
  - {name: Probability, type: Percentage, on: [company, person, opportunity]}
  - {name: VIP, type: Checkbox, on: [company, person, opportunity]}
  - {name: Code, type: String, on: [company, person, opportunity]}
  - {name: Notes, type: Text, on: [company, person, opportunity]}
  - {name: Website link, type: URL, on: [company, person, opportunity]}
  - {name: Partner, type: Connect, on: [company, person, opportunity]}
"""
