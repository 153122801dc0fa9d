"""Every call of `astro-platform-api`, made from what the package itself lists.

A call is right when it gets the status of success, and its answer, parsed by the client and written
again, is what was sent: nothing was left out, and nothing is of another type than the client expects.
"""

import importlib
import inspect
import json
import pkgutil
import re
import sys
import traceback
from datetime import datetime, timedelta, timezone

import astro_platform_api_client as package
from astro_platform_api_client import AuthenticatedClient, api, models
from astro_platform_api_client.types import UNSET
from dateutil.parser import isoparse

from . import http
from .airlock import Airlock
from .deploys import archive, upload
from .processes import Failed

# Calls for what is not in the public API v1, and so not here: by the folder that the client has them in.
NOT_IN_V1 = {
    "alerts": "the public v1 has no alerts",
    "notification_channels": "the public v1 has no notification channels",
}

# The prefixes that its calls work below: the beta's, from whose description it was made; and v1, but
# for the folders that are named with the reason.
PREFIXES = {
    "/platform/v1beta1": {},
    "/v1": {"organization": "the client wants an Organization's supportPlan, which only the beta has"},
}


class Call:
    """One function of the client."""

    def __init__(self, folder: str, module):
        self.folder, self.module, self.name = folder, module, module.__name__.rpartition(".")[2]
        source = inspect.getsource(module._get_kwargs)
        self.method = re.search(r'"method": "(\w+)"', source)[1]
        path = re.search(r'"url": f?"([^"]+)"', source)[1]
        self.path = camel(path)

    def __str__(self):
        return f"{self.folder}.{self.name}"

    def body(self, value: dict):
        """A body, as the type that the call takes; with several, the one that takes it."""
        hint = inspect.signature(self.module.sync_detailed).parameters["body"].annotation
        types = [getattr(models, name) for name in re.findall(r"\w+Request\w*|\w+Body", str(hint))]
        if not types:
            raise Failed(f"{self}: what is {hint}?")
        faults = []
        for type_ in types:
            try:
                return without_empty_lists(type_.from_dict(value), value)
            except (KeyError, ValueError) as fault:
                faults.append(fault)
        raise Failed(f"{self}: {value} is none of {types}: {faults}")


def without_empty_lists(made, value: dict):
    """A body without the lists that `from_dict` makes of those that are not there; a constructor makes none."""
    for field in type(made).__attrs_attrs__:
        if field.default is UNSET and getattr(made, field.name) == [] and camel(field.name) not in value:
            setattr(made, field.name, UNSET)
    return made


def camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def calls() -> dict[str, Call]:
    """All functions of the client, by name."""
    found = {}
    for info in pkgutil.walk_packages(api.__path__, f"{api.__name__}."):
        module = importlib.import_module(info.name)
        if hasattr(module, "sync_detailed"):
            call = Call(info.name.split(".")[-2], module)
            if found.setdefault(call.name, call) is not call:
                raise Failed(f"{call} and {found[call.name]} have one name")
    if not found:
        raise Failed(f"{package.__name__} has no calls")
    return found


def same(sent, parsed) -> bool:
    """Whether two JSON values say the same; times may be spelt in two ways."""
    match sent, parsed:
        case dict(), dict():
            # The client makes an empty list of one that is not there.
            kept = {key: value for key, value in parsed.items() if key in sent or value != []}
            return sent.keys() == kept.keys() and all(same(sent[key], kept[key]) for key in sent)
        case list(), list():
            return len(sent) == len(parsed) and all(map(same, sent, parsed))
        case str(), str() if sent != parsed:
            try:
                return isoparse(sent) == isoparse(parsed)
            except ValueError:
                return False
    return sent == parsed and type(sent) is type(parsed)


class Missing(Exception):
    """A call whose operation the server's document does not have."""


class Caller:
    """Makes the calls with a token, below a prefix; keeps which were made."""

    def __init__(self, steps, airlock: Airlock, prefix: str, left_out: dict, document: dict):
        self.steps, self.prefix, self.left_out = steps, prefix, left_out
        self.organization, self.token = airlock.env["AIRLOCK_ORGANIZATION"], airlock.env["AIRLOCK_TOKEN"]
        self.base = f"{airlock.url}{prefix}"
        self.client = AuthenticatedClient(base_url=self.base, token=self.token, raise_on_unexpected_status=True)
        self.calls = {name: call for name, call in calls().items() if call.folder not in NOT_IN_V1}
        self.missing = {
            name for name, call in self.calls.items() if call.method not in document["paths"].get(f"/v1{call.path}", {})
        }
        self.made: set[str] = set()

    def __call__(self, name: str, *ids: str, body: dict | None = None, **query):
        """Makes a call in the Organization; its answer as the client has parsed it."""
        call = self.calls[name]
        if name in self.missing:
            raise Missing(name)
        with self.steps(f"{self.prefix}: {call}"):
            answer = self.send(call, *ids, body=body, **query)
            expected = 204 if name.startswith("delete_") else 200
            if answer.status_code != expected:
                raise Failed(f"{call} answered {answer.status_code}: {answer.content[:500]!r}")
            self.expect_parsed(call, answer)
        self.made.add(name)
        return answer.parsed

    def send(self, call: Call, *ids: str, body: dict | None = None, client=None, **query):
        if "{organizationId}" in call.path:
            ids = self.organization, *ids
        if body is not None:
            query["body"] = call.body(body)
        return call.module.sync_detailed(*ids, client=client or self.client, **query)

    @staticmethod
    def expect_parsed(call: Call, answer):
        if answer.status_code == 204 or not answer.content:
            return
        if isinstance(answer.parsed, bytes):
            # The audit log, a record a line.
            if answer.parsed != answer.content or not all(map(json.loads, answer.content.splitlines())):
                raise Failed(f"{call}: the client made {answer.parsed!r} of it")
            return
        of_many = isinstance(answer.parsed, list)
        sent = json.loads(answer.content)
        parsed = [one.to_dict() for one in answer.parsed] if of_many else answer.parsed.to_dict()
        if isinstance(answer.parsed, models.Error) or not same(sent, parsed):
            raise Failed(f"{call}: the client made\n{parsed}\nof\n{sent}")

    def refused(self, status: int, name: str, *ids: str, client=None, **arguments):
        """A call that is refused: the client must understand that, too."""
        call = self.calls[name]
        with self.steps(f"{self.prefix}: {call}, refused with {status}"):
            answer = self.send(call, *ids, client=client, **arguments)
            error = answer.parsed
            if answer.status_code != status or not isinstance(error, models.Error):
                raise Failed(f"{call} answered {answer.status_code}: {answer.content[:500]!r}")
            if error.status_code != status or not error.message or not error.request_id:
                raise Failed(f"{call}: the error is {error}")


def tour(steps, airlock: Airlock):
    """Makes all calls, below each prefix."""
    document = http.call("GET", f"{airlock.url}/spec/v1.0").expect(200).json
    missing = set()
    for folder, why in NOT_IN_V1.items():
        for call in calls().values():
            if call.folder == folder:
                print(f"left out: {call}: {why}")
                if f"/v1{call.path}" in document["paths"]:
                    raise Failed(f"{call} is in the document; make it here")
    for prefix, left_out in PREFIXES.items():
        caller = Caller(steps, airlock, prefix, left_out, document)
        for folder, why in left_out.items():
            print(f"left out below {prefix}: {folder}: {why}")
        for folder, part in PARTS.items():
            try:
                if folder not in left_out:
                    part(caller)
            except Missing:
                pass  # said below
            except Exception:
                traceback.print_exc(limit=-2, file=sys.stdout)
        missing |= caller.missing
        for name, call in caller.calls.items():
            if name not in caller.made | caller.missing and call.folder not in left_out:
                print(f"never made below {prefix}: {call}")
                steps.failed += 1
    for name in sorted(missing):
        print(f"missing: {calls()[name]}")
        steps.failed += 1


def organizations(call: Caller):
    page = call("list_organizations")
    if [one.id for one in page.organizations] != [call.organization]:
        raise Failed(f"the Organizations are {page}")
    found = call("get_organization")
    body = {"name": found.name, "billingEmail": "billing@example.com", "isScimEnabled": found.is_scim_enabled}
    call("update_organization", body=body)
    call("get_organization_audit_logs", start_date=datetime.now(timezone.utc) - timedelta(hours=1))


def workspaces(call: Caller):
    made = call("create_workspace", body={"name": "client", "description": "of a test", "cicdEnforcedDefault": False})
    call("get_workspace", made.id)
    call("list_workspaces", names=["client"], sorts=[models.ListWorkspacesSortsItem.NAMEASC], limit=5)
    call("update_workspace", made.id, body={"name": "changed", "description": "", "cicdEnforcedDefault": True})
    call.refused(400, "create_workspace", body={"name": ""})
    call.refused(404, "get_workspace", "cmjuohs000000000000000000")
    stranger = AuthenticatedClient(base_url=call.base, token="nobody's")
    call.refused(401, "list_workspaces", client=stranger)
    call("delete_workspace", made.id)


def options(call: Caller):
    call("get_deployment_options")
    call("get_cluster_options", type_=models.GetClusterOptionsType.DEDICATED)


def clusters(call: Caller):
    body = {
        "type": "DEDICATED",
        "cloudProvider": "AWS",
        "region": "us-east-1",
        "name": "client",
        "vpcSubnetRange": "172.20.0.0/20",
    }
    made = call("create_cluster", body=body)
    call("get_cluster", made.id)
    call("list_clusters", names=["client"], limit=5)
    call("update_cluster", made.id, body={"clusterType": "DEDICATED", "name": "changed", "k8sTags": []})
    call("delete_cluster", made.id)


def deployment_body(workspace: str, **others) -> dict:
    return {
        "type": "STANDARD",
        "name": "client",
        "workspaceId": workspace,
        "astroRuntimeVersion": "3.1-1",
        "executor": "CELERY",
        "isCicdEnforced": False,
        "isDagDeployEnabled": True,
        "isHighAvailability": False,
        "schedulerSize": "SMALL",
        "cloudProvider": "AWS",
        "region": "us-east-1",
    } | others


class Deployment:
    """A Deployment in a Workspace, for as long as it is needed."""

    def __init__(self, call: Caller, **others):
        self.call, self.others = call, others

    def __enter__(self):
        self.workspace = self.call("create_workspace", body={"name": "deployments"}).id
        self.made = self.call("create_deployment", body=deployment_body(self.workspace, **self.others))
        return self

    def __exit__(self, *_):
        self.call("delete_deployment", self.made.id)
        self.call("delete_workspace", self.workspace)


def deployments(call: Caller):
    with Deployment(call, isDevelopmentMode=True) as deployment:
        made = deployment.made
        call("list_deployments", workspace_ids=[deployment.workspace], sorts=[models.ListDeploymentsSortsItem.NAMEASC])
        call("get_deployment", made.id)
        variables = [
            {"key": "PLAIN", "value": "1", "isSecret": False},
            {"key": "SECRET", "value": "2", "isSecret": True},
        ]
        changed = {"name": "changed", "isDevelopmentMode": True, "environmentVariables": variables}
        body = deployment_body(deployment.workspace, **changed)
        del body["cloudProvider"], body["region"], body["astroRuntimeVersion"]
        call("update_deployment", made.id, body=body)
        until = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
        try:
            override = {"isHibernating": True, "overrideUntil": until}
            call("update_deployment_hibernation_override", made.id, body=override)
            call("delete_deployment_hibernation_override", made.id)
        except Missing:
            pass


def deploys(call: Caller):
    with Deployment(call) as deployment:
        of = deployment.made.id
        first = deploy(call, of, "first")
        call("get_deploy", of, first)
        call("update_deploy", of, first, body={"description": "changed"})
        deploy(call, of, "second")
        call("list_deploys", of, limit=5)
        call("deploy_rollback", of, first, body={"description": "back to the first"})


def deploy(call: Caller, deployment: str, content: str) -> str:
    """Deploys a Dag, as the client's users do: what is between its two calls is theirs."""
    made = call("create_deploy", deployment, body={"type": "DAG_ONLY", "description": content})
    version = upload(made.dags_upload_url, archive({"dags/dag.py": f"# {content}\n"}))
    call("finalize_deploy", deployment, made.id, body={"dagTarballVersion": version})
    return made.id


def environment_objects(call: Caller):
    with Deployment(call) as deployment:
        place = {"scope": "WORKSPACE", "scopeEntityId": deployment.workspace}
        link = {"scope": "DEPLOYMENT", "scopeEntityId": deployment.made.id}
        connection = {"type": "postgres", "host": "db", "port": 5432, "login": "me", "password": "x", "extra": {"a": 1}}
        body = {"objectKey": "client", "objectType": "CONNECTION", **place, "connection": connection, "links": [link]}
        made = call("create_environment_object", body=body)
        call("get_environment_object", made.id)
        call("list_environment_objects", workspace_id=deployment.workspace, limit=5)
        call("list_environment_objects", deployment_id=deployment.made.id, resolve_linked=True)
        call("update_environment_object", made.id, body={"connection": connection | {"host": "other"}, "links": []})
        call("exclude_linking_environment_object", made.id, body=link)
        call("delete_environment_object", made.id)
        variable = {"value": "1", "isSecret": True}
        body = {"objectKey": "client", "objectType": "AIRFLOW_VARIABLE", **link, "airflowVariable": variable}
        call("delete_environment_object", call("create_environment_object", body=body).id)


# What makes the calls of each folder.
PARTS = {
    "organization": organizations,
    "workspace": workspaces,
    "cluster": clusters,
    "options": options,
    "deployment": deployments,
    "deploy": deploys,
    "environment": environment_objects,
}
