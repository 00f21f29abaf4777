"""A strict part of GitHub's public GraphQL schema: a document that GitHub would refuse is refused here."""

from __future__ import annotations

from graphql import build_schema

SCHEMA = build_schema("""
scalar DateTime
scalar GitObjectID
scalar URI

enum CheckConclusionState { ACTION_REQUIRED CANCELLED FAILURE NEUTRAL SKIPPED STALE SUCCESS TIMED_OUT }
enum RequestableCheckStatusState { COMPLETED IN_PROGRESS PENDING QUEUED WAITING }
enum CheckStatusState { COMPLETED IN_PROGRESS PENDING QUEUED REQUESTED WAITING }
enum DeploymentStatusState { ERROR FAILURE INACTIVE IN_PROGRESS PENDING QUEUED SUCCESS WAITING }

type CheckRun {
  id: ID! databaseId: Int name: String! externalId: String
  status: CheckStatusState! conclusion: CheckConclusionState
}
type IssueComment { id: ID! databaseId: Int body: String! }
type IssueCommentEdge { node: IssueComment }
type Deployment { id: ID! databaseId: Int environment: String }
type DeploymentStatus { id: ID! state: DeploymentStatusState! deployment: Deployment! }

input CheckRunOutput { title: String! summary: String! text: String }
input CreateCheckRunInput {
  clientMutationId: String repositoryId: ID! name: String! headSha: GitObjectID! detailsUrl: URI
  externalId: String status: RequestableCheckStatusState startedAt: DateTime
  conclusion: CheckConclusionState completedAt: DateTime output: CheckRunOutput
}
input UpdateCheckRunInput {
  clientMutationId: String repositoryId: ID! checkRunId: ID! name: String detailsUrl: URI
  externalId: String status: RequestableCheckStatusState startedAt: DateTime
  conclusion: CheckConclusionState completedAt: DateTime output: CheckRunOutput
}
input AddCommentInput { clientMutationId: String subjectId: ID! body: String! }
input UpdateIssueCommentInput { clientMutationId: String id: ID! body: String! }
input CreateDeploymentStatusInput {
  clientMutationId: String deploymentId: ID! state: DeploymentStatusState! description: String = ""
  environment: String environmentUrl: String = "" autoInactive: Boolean = true logUrl: String = ""
}

type CreateCheckRunPayload { clientMutationId: String checkRun: CheckRun }
type UpdateCheckRunPayload { clientMutationId: String checkRun: CheckRun }
type AddCommentPayload { clientMutationId: String commentEdge: IssueCommentEdge }
type UpdateIssueCommentPayload { clientMutationId: String issueComment: IssueComment }
type CreateDeploymentStatusPayload { clientMutationId: String deploymentStatus: DeploymentStatus }

type Bot { login: String! }
type RateLimit { cost: Int! limit: Int! remaining: Int! used: Int! resetAt: DateTime! }
type Query { viewer: Bot! rateLimit: RateLimit }
type Mutation {
  createCheckRun(input: CreateCheckRunInput!): CreateCheckRunPayload
  updateCheckRun(input: UpdateCheckRunInput!): UpdateCheckRunPayload
  addComment(input: AddCommentInput!): AddCommentPayload
  updateIssueComment(input: UpdateIssueCommentInput!): UpdateIssueCommentPayload
  createDeploymentStatus(input: CreateDeploymentStatusInput!): CreateDeploymentStatusPayload
}
""")
