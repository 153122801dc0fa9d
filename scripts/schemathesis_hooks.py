"""Gives schemathesis ids of things that exist, and counts what was answered.

Random ids would reach nothing but 404s. So the hook below puts real ids where the generated request
has made-up ones, gives every request that deletes or changes something a throw-away thing of its
own, and keeps the requests away from the records that the run itself stands on: the owner's token,
and the Organization's first Workspace and Deployment. One request in LEFT_ALONE stays as it was
generated, and so does every one that is wrong on purpose in that place.
"""

import atexit
import collections
import copy
import functools
import io
import itertools
import json
import os
import re
import sqlite3
import subprocess
import tarfile
import urllib.request

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

URL = os.environ["AIRLOCK_SCHEMATHESIS_URL"]
TOKEN = os.environ["AIRLOCK_SCHEMATHESIS_TOKEN"]
TALLY = os.environ["AIRLOCK_SCHEMATHESIS_TALLY"]

LEFT_ALONE = 8
OUR_ID = re.compile("c[0-9a-z]{24}")

POSTGRES = os.environ["AIRLOCK_SCHEMATHESIS_POSTGRES_URL"]
SQLITE = os.environ["AIRLOCK_SCHEMATHESIS_SQLITE"]

# Names and addresses must be new in each run on one server.
numbers = itertools.count(int(os.environ["AIRLOCK_SCHEMATHESIS_FIRST_NUMBER"]))
calls = collections.Counter()
answers = collections.defaultdict(collections.Counter)


def api(method, path, body=None):
    request = urllib.request.Request(
        f"{URL}/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def fresh(word):
    return f"{word} {next(numbers)}"


ORGANIZATION = api("GET", "/organizations")["organizations"][0]["id"]
HERE = f"/organizations/{ORGANIZATION}"
WORKSPACE = api("GET", f"{HERE}/workspaces?sorts=createdAt:asc")["workspaces"][0]["id"]
DEPLOYMENT = api("GET", f"{HERE}/deployments?sorts=createdAt:asc")["deployments"][0]["id"]
OWNER = api("GET", f"{HERE}/tokens?sorts=createdAt:asc")["tokens"][0]["id"]
RANGES = f"{HERE}/allowed-ip-address-ranges"
MINE = "127.0.0.0/8"
THIS_MACHINE = next(
    (known["id"] for known in api("GET", f"{RANGES}?limit=100000")["allowedIpAddressRanges"] if known["ipAddressRange"] == MINE),
    None,
) or api("POST", RANGES, {"ipAddressRange": MINE})["id"]
PROTECTED = {ORGANIZATION, WORKSPACE, DEPLOYMENT, OWNER, THIS_MACHINE}

PERMISSIONS = {
    scope: [
        f"{group['name']}.{permission['action']}"
        for group in api("GET", f"/authorization/permission-groups?scopeType={scope}")
        for permission in group["permissions"]
    ]
    for scope in ("DEPLOYMENT", "DAG")
}
ROLES = collections.defaultdict(list)
for role in api("GET", f"{HERE}/roles?includeDefaultRoles=true")["defaultRoles"]:
    ROLES[role["scopeType"]].append(role["name"])


def new_workspace(_request):
    return api("POST", f"{HERE}/workspaces", {"name": fresh("workspace")})["id"]


def new_deployment(request):
    """One of the type that an update's body names, for it cannot be changed. It may hibernate, if it can."""
    kind = request.get("type") if isinstance(request, dict) else None
    kind = kind if kind in ("STANDARD", "HYBRID") else "DEDICATED"
    body = {"name": fresh("deployment"), "workspaceId": WORKSPACE, "type": kind}
    if kind != "STANDARD":
        body["clusterId"] = cluster_for(kind)
    if kind != "HYBRID":
        body["isDevelopmentMode"] = True
    return api("POST", f"{HERE}/deployments", body)["id"]


def new_cluster(request):
    """One of the type that an update's body names."""
    kind = request.get("clusterType") if isinstance(request, dict) else None
    return cluster("HYBRID" if kind == "HYBRID" else "DEDICATED")


def cluster(kind):
    body = {"name": fresh("cluster"), "type": kind, "cloudProvider": "AWS", "region": "eu-central-1"}
    return api("POST", f"{HERE}/clusters", {**body, "vpcSubnetRange": "172.20.0.0/20"})["id"]


@functools.cache
def cluster_for(kind):
    """A cluster of this type that stays."""
    PROTECTED.add(made := cluster(kind))
    return made


def new_agent_token(_request):
    return api("POST", f"{HERE}/deployments/{DEPLOYMENT}/agent-tokens", {"name": fresh("agent")})["id"]


def new_agent(_request):
    """One that has shut down, so that it may be deleted. No operation of the API makes agents."""
    number, token = next(numbers), new_agent_token(None)
    agent = f"cagent{number:019}"
    execute(
        "INSERT INTO agents (id, organization_id, deployment_id, token_id, name, state, queues, jobs_active, sysinfo, "
        "cordon, created_at, last_heartbeat_at) SELECT "
        f"'{agent}', organization_id, deployment_id, id, 'worker-{number}', 'offline', '[\"default\"]', 0, '{{}}', "
        f"'OPEN', 0, 0 FROM agent_tokens WHERE id = '{token}'"
    )
    return agent


def execute(sql):
    """Changes the server's database behind its back."""
    if POSTGRES:
        subprocess.run(["psql", "--quiet", "--set=ON_ERROR_STOP=1", "--command", sql, POSTGRES], check=True)
    else:
        with sqlite3.connect(SQLITE, timeout=20) as database:
            database.execute(sql)
        database.close()


def new_token(_request):
    body = {"name": fresh("token"), "scope": "ORGANIZATION", "role": "ORGANIZATION_MEMBER"}
    return api("POST", f"{HERE}/tokens", body)["id"]


def new_environment_object(_request):
    """A connection, which requests about one are made to fit."""
    body = {"objectKey": fresh("object"), "objectType": "CONNECTION", "scope": "WORKSPACE", "scopeEntityId": WORKSPACE}
    return api("POST", f"{HERE}/environment-objects", {**body, "connection": {"type": "http"}})["id"]


def new_invite(_request, key="inviteId"):
    """An invite makes a user; `key` says whose id is wanted."""
    return api("POST", f"{HERE}/invites", {"inviteeEmail": fresh_address(), "role": "ORGANIZATION_MEMBER"})[key]


def new_user(request):
    return new_invite(request, "userId")


def fresh_address():
    return f"user{next(numbers)}@example.org"


def new_team(_request):
    return api("POST", f"{HERE}/teams", {"name": fresh("team"), "organizationRole": "ORGANIZATION_MEMBER"})["id"]


def new_member(_request):
    """A member of the team that stays."""
    user = new_user(None)
    api("POST", f"{HERE}/teams/{kept('teamId')}/members", {"memberIds": [user]})
    return user


def new_role(_request):
    body = {"name": fresh("role"), "scopeType": "DEPLOYMENT", "permissions": PERMISSIONS["DEPLOYMENT"][:3]}
    return api("POST", f"{HERE}/roles", body)["id"]


ARCHIVE = io.BytesIO()
with tarfile.open(fileobj=ARCHIVE, mode="w:gz") as archive:
    archive.addfile(tarfile.TarInfo("reports.py"))
UPLOADED = {}


def new_deploy(_request):
    """One whose archive is there, so that it can be finalized; UPLOADED has the archive's version."""
    made = api("POST", f"{HERE}/deployments/{DEPLOYMENT}/deploys", {"type": "DAG_ONLY"})
    upload = urllib.request.Request(
        made["dagsUploadUrl"], method="PUT", data=ARCHIVE.getvalue(), headers={"x-ms-blob-type": "BlockBlob"}
    )
    with urllib.request.urlopen(upload) as answer:
        UPLOADED[made["id"]] = answer.headers["x-ms-version-id"]
    return made["id"]


def finalized_deploy(_request):
    deploy = new_deploy(None)
    finalize = f"{HERE}/deployments/{DEPLOYMENT}/deploys/{deploy}/finalize"
    api("POST", finalize, {"dagTarballVersion": UPLOADED[deploy]})
    return deploy


def fresh_range():
    number = next(numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32"


def new_range(_request):
    return api("POST", RANGES, {"ipAddressRange": fresh_range()})["id"]


NEW = {
    "workspaceId": new_workspace,
    "clusterId": new_cluster,
    "deployId": new_deploy,
    "deploymentId": new_deployment,
    "agentId": new_agent,
    "agentTokenId": new_agent_token,
    "allowedIpAddressRangeId": new_range,
    "tokenId": new_token,
    "environmentObjectId": new_environment_object,
    "inviteId": new_invite,
    "userId": new_user,
    "teamId": new_team,
    "memberId": new_member,
    "roleId": new_role,
    "customRoleId": new_role,
}
# What only some things of a kind are good for.
NEW_FOR = {"DeployRollback": finalized_deploy}
KEPT = {"organizationId": ORGANIZATION, "workspaceId": WORKSPACE, "deploymentId": DEPLOYMENT}


def kept(name):
    """A thing of this kind that stays."""
    if name not in KEPT:
        KEPT[name] = NEW[name](None)
    return KEPT[name]


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = operation_id(case)
    if case.method.upper() != case.operation.method.upper():
        return
    calls[operation] += 1
    turn = calls[operation]
    leave = turn % LEFT_ALONE == 0

    path = dict(case.path_parameters or {})
    for name, value in path.items():
        # Stateful sequences carry on with what their earlier requests made.
        leave_it = leave or is_wrong(case, ParameterLocation.PATH) or (is_stateful(case) and is_ours(value))
        if name in NEW and name == changed_thing(case):
            if not leave_it or value in PROTECTED:
                path[name] = NEW_FOR.get(operation, NEW[name])(case.body)
        elif not leave_it:
            path[name] = kept(name)
    if path:
        case.path_parameters = path

    if not leave and not is_wrong(case, ParameterLocation.QUERY) and case.query:
        case.query = real_query(dict(case.query), turn)
    if not leave and not is_wrong(case, ParameterLocation.BODY) and isinstance(case.body, dict):
        case.body = real_body(operation, copy.deepcopy(case.body), turn, path)


@schemathesis.hook
def after_call(context, case, response):
    if case.method.upper() == case.operation.method.upper():
        answers[operation_id(case)][response.status_code] += 1


def operation_id(case):
    return case.operation.definition.raw["operationId"]


def changed_thing(case):
    """The path parameter of what the request changes: not of what that belongs to."""
    if not operation_id(case).startswith(("Delete", "Update", "Rotate", "Remove", "Trigger", "Exclude", "Finalize", "DeployRollback")):
        return None
    return re.findall(r"{(\w+)}", case.operation.path)[-1]


def is_ours(value):
    return isinstance(value, str) and OUR_ID.fullmatch(value)


def is_stateful(case):
    return case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL


def is_wrong(case, location):
    """Whether the request is wrong there on purpose."""
    return case.meta is not None and case.meta.is_negative_at(location)


def real_query(query, turn):
    for name, value in (("workspaceId", WORKSPACE), ("deploymentId", DEPLOYMENT)):
        if name in query:
            query[name] = value
        if f"{name}s" in query:
            query[f"{name}s"] = [value]
    if "startDate" in query:
        query["startDate"] = ("2024-01-01T00:00:00Z", "2024-01-01")[turn % 2]
    if "endDate" in query:
        query["endDate"] = ("2124-01-01T00:00:00Z", "2124-01-01")[turn % 2]
    return query


def real_body(operation, body, turn, path):
    """The body, with ids, roles and permissions that exist, and a name that no other has."""
    if isinstance(body.get("name"), str) and ("Role" in operation or "Team" in operation) and turn % 2:
        body["name"] = f"{body['name'][:200]} {next(numbers)}"
    if operation in ("CreateDeployment", "UpdateDeployment"):
        body["workspaceId"] = WORKSPACE
        real_deployment(body)
    elif operation in ("CreateCluster", "UpdateCluster"):
        if body.get("workspaceIds"):
            body["workspaceIds"] = [WORKSPACE]
    elif operation == "CreateDeploy":
        if body.get("type") == "BUNDLE":
            body.update(bundleMountPath="dbt/reports", bundleType="dbt")
    elif operation == "FinalizeDeploy":
        if path.get("deployId") in UPLOADED:
            body["dagTarballVersion"] = UPLOADED[path["deployId"]]
            body.pop("bundleTarballVersion", None)
    elif operation == "UpdateDeploymentHibernationOverride":
        if body.get("overrideUntil"):
            body["overrideUntil"] = "2124-01-01T00:00:00Z"
    elif operation == "CreateAllowedIpAddressRange":
        body["ipAddressRange"] = fresh_range()
    elif operation == "BulkCreateAllowedIpAddressRanges":
        body["allowedIpAddressRanges"] = [fresh_range() for _ in range(1 + turn % 3)]
    elif operation == "CreateApiToken":
        scope = body.get("scope")
        if scope in ROLES:
            body["role"] = ROLES[scope][turn % len(ROLES[scope])]
            body["entityId"] = {"WORKSPACE": WORKSPACE, "DEPLOYMENT": DEPLOYMENT}.get(scope)
    elif operation in ("CreateEnvironmentObject", "UpdateEnvironmentObject"):
        real_environment_object(body)
    elif operation == "ExcludeLinkingEnvironmentObject":
        body["scopeEntityId"] = DEPLOYMENT
    elif operation == "CreateUserInvite":
        body.update(inviteeEmail=fresh_address(), role=ROLES["ORGANIZATION"][turn % len(ROLES["ORGANIZATION"])])
    elif operation in ("CreateTeam", "AddTeamMembers"):
        if body.get("memberIds"):
            body["memberIds"] = [kept("userId")]
    elif operation in ("UpdateUserRoles", "UpdateTeamRoles"):
        real_roles(body)
    elif operation == "TriggerAgentAction":
        if body.get("action") == "UNCORDON":
            body.pop("reason", None)
    elif operation == "UpdateApiTokenRoles":
        body["roles"] = [
            {"entityType": "ORGANIZATION", "entityId": ORGANIZATION, "role": "ORGANIZATION_MEMBER"},
            {"entityType": "WORKSPACE", "entityId": WORKSPACE, "role": "WORKSPACE_MEMBER"},
            {"entityType": "DEPLOYMENT", "entityId": DEPLOYMENT, "role": "DEPLOYMENT_ADMIN"},
        ][: 1 + turn % 3]
    elif operation in ("CreateCustomRole", "UpdateCustomRole"):
        known = PERMISSIONS.get(body.get("scopeType"), PERMISSIONS["DEPLOYMENT"])
        body["permissions"] = known[: 1 + turn % len(known)]
        if body.get("restrictedWorkspaceIds"):
            body["restrictedWorkspaceIds"] = [WORKSPACE]
    return body


def real_roles(body):
    """Roles on things that are there: Workspaces and Deployments need the role of one above."""
    body["organizationRole"] = "ORGANIZATION_MEMBER"
    for name, real in (
        ("workspaceRoles", {"workspaceId": WORKSPACE, "role": "WORKSPACE_MEMBER"}),
        ("deploymentRoles", {"deploymentId": DEPLOYMENT, "role": "DEPLOYMENT_ADMIN"}),
        ("dagRoles", {"deploymentId": DEPLOYMENT, "dagId": "reports", "role": "DAG_VIEWER"}),
    ):
        if body.get(name):
            body[name] = [real]


def real_deployment(body):
    """Puts in what the API wants and the public schema does not say: names, times, addresses."""
    if body.get("type") in ("DEDICATED", "HYBRID"):
        body["clusterId"] = cluster_for(body["type"])
    elif "clusterId" in body:
        del body["clusterId"]
    for queue in dicts(body.get("workerQueues")):
        if isinstance(queue.get("name"), str):
            queue["name"] = fresh("queue")
    for variable in dicts(body.get("environmentVariables")):
        if isinstance(variable.get("key"), str):
            variable["key"] = fresh("KEY").replace(" ", "_")
    remote = body.get("remoteExecution")
    if isinstance(remote, dict) and remote.get("allowedIpAddressRanges"):
        remote["allowedIpAddressRanges"] = ["203.0.113.0/24", "2001:db8::/32"]
    scaling = body.get("scalingSpec")
    hibernation = scaling.get("hibernationSpec") if isinstance(scaling, dict) else None
    if isinstance(hibernation, dict):
        for schedule in dicts(hibernation.get("schedules")):
            schedule.update(hibernateAtCron="0 20 * * *", wakeAtCron="0 6 * * *")
        if isinstance(hibernation.get("override"), dict):
            hibernation["override"]["overrideUntil"] = "2124-01-01T00:00:00Z"


VALUES = {
    "CONNECTION": ("connection", {"type": "postgres", "port": 5432}),
    "AIRFLOW_VARIABLE": ("airflowVariable", {}),
    "ENVIRONMENT_VARIABLE": ("environmentVariable", {}),
    "METRICS_EXPORT": ("metricsExport", {"endpoint": "https://example.com", "exporterType": "PROMETHEUS"}),
}


def real_environment_object(body):
    """Leaves what fits the object's type and scope; an update is of a connection of the Workspace."""
    kind = body.get("objectType", "CONNECTION")
    for other, (field, needed) in VALUES.items():
        if other != kind:
            body.pop(field, None)
        elif isinstance(body.get(field), dict):
            body[field].update(needed)
            body[field].pop("authTypeId", None)
        elif "objectType" in body:
            body[field] = needed
    if "objectKey" in body:
        body["objectKey"] = fresh("KEY").replace(" ", "_")
    body["scopeEntityId"] = DEPLOYMENT if body.get("scope") == "DEPLOYMENT" else WORKSPACE
    link = {"scope": "DEPLOYMENT", "scopeEntityId": DEPLOYMENT}
    for name in "links", "excludeLinks":
        if body.pop(name, None) and body.get("scope") != "DEPLOYMENT" and "links" not in body:
            body[name] = [link]
    if body.get("scope") == "DEPLOYMENT":
        body.pop("autoLinkDeployments", None)


def dicts(value):
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@atexit.register
def write_tally():
    """One line an operation: its id, answers of 2xx, 4xx and 5xx."""
    with open(TALLY, "w") as out:
        for operation, statuses in sorted(answers.items()):
            of = lambda hundred: sum(n for status, n in statuses.items() if status // 100 == hundred)
            print(operation, of(2), of(4), of(5), file=out)
