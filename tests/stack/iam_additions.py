# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that moto's IAM lacks altogether, each as small as the supported operations need it.

`add_operations()` gives them to moto's classes once, in the server's process only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.iam.exceptions import DeleteConflictException, EntityAlreadyExists, IAMException, NoSuchEntity
from moto.iam.models import Certificate, Group, IAMBackend, ManagedPolicy, SAMLProvider, VirtualMfaDevice
from moto.iam.responses import IamResponse
from moto.moto_api._internal import mock_random

Respond = Callable[[IamResponse], ActionResult]
SERVICE_LINKED = "/aws-service-role/"


class _FeatureDisabled(IAMException):
    code = "FeatureDisabled"


class _FeatureEnabled(IAMException):
    code = "FeatureEnabled"


def add_operations() -> None:
    """Call it once, before the first request."""
    _add_tags()
    _add_service_specific_credentials()
    _add_account_settings()
    IamResponse.generate_service_last_accessed_details = _generate_last_accessed
    IamResponse.get_service_last_accessed_details = _get_last_accessed
    IamResponse.add_client_id_to_open_id_connect_provider = _add_client_id
    IamResponse.remove_client_id_from_open_id_connect_provider = _remove_client_id
    IamResponse.update_server_certificate = _update_server_certificate
    IamResponse.update_group = _update_group
    IamResponse.delete_virtual_mfa_device = _delete_virtual_mfa_device
    IamResponse.list_entities_for_policy = _list_entities_for_policy
    ManagedPolicy.update_default_version = _update_default_version


# --- last-accessed data -----------------------------------------------------------------------------------------------

# ARN -> what `Stack.set_last_accessed` says of it: `services` as the API has them, and `status` of its jobs.
LAST_ACCESSED: dict[str, dict[str, Any]] = {}
_JOBS: dict[str, dict[str, Any]] = {}


def _generate_last_accessed(self: IamResponse) -> ActionResult:
    arn, kind = self._get_param("Arn"), self._get_param("Granularity", "SERVICE_LEVEL")
    entities = [*self.backend.users.values(), *self.backend.roles.values(), *self.backend.groups.values()]
    if arn not in {*(one.arn for one in entities), *self.backend.managed_policies}:
        raise NoSuchEntity(f"ARN {arn} does not exist.")
    job = str(mock_random.uuid4())
    _JOBS[job] = {"arn": arn, "kind": kind, "created": datetime.now(timezone.utc), "polls": 0}
    return ActionResult({"JobId": job})


def _get_last_accessed(self: IamResponse) -> ActionResult:
    """IN_PROGRESS at the first poll, as IAM's jobs take a moment; then pages of at most `MaxItems` services."""
    job = _JOBS.get(self._get_param("JobId"))
    if job is None:
        raise NoSuchEntity("The job does not exist.")
    known = LAST_ACCESSED.get(job["arn"], {})
    status = known.get("status", "COMPLETED") if job["polls"] else "IN_PROGRESS"
    job["polls"] += 1
    answer = {"JobStatus": status, "JobType": job["kind"], "JobCreationDate": job["created"]}
    answer |= {"JobCompletionDate": job["created"], "ServicesLastAccessed": [], "IsTruncated": False}
    if status == "FAILED":
        return ActionResult({**answer, "Error": {"Code": "ServiceFailure", "Message": "it could not be made"}})
    if status == "COMPLETED":
        start, most = int(self._get_param("Marker") or 0), min(int(self._get_param("MaxItems") or 100), 2)
        services = known.get("services", [])
        page = [_last_accessed(one, job["kind"]) for one in services[start : start + most]]
        answer |= {"ServicesLastAccessed": page, "IsTruncated": start + most < len(services)}
        answer |= {"Marker": str(start + most)} if answer["IsTruncated"] else {}
    return ActionResult(answer)


def _last_accessed(service: dict[str, Any], kind: str) -> dict[str, Any]:
    found = dict(service)
    if kind == "SERVICE_LEVEL":
        found.pop("TrackedActionsLastAccessed", None)
    if found.get("LastAuthenticated"):
        found["LastAuthenticated"] = datetime.fromisoformat(found["LastAuthenticated"])
    found["TrackedActionsLastAccessed"] = [
        {**one, "LastAccessedTime": datetime.fromisoformat(one["LastAccessedTime"])}
        if "LastAccessedTime" in one
        else one
        for one in found.get("TrackedActionsLastAccessed", [])
    ]
    return found


# --- tags of MFA devices, SAML providers and server certificates ------------------------------------------------------


def _add_tags() -> None:
    find = {
        "mfa_device": lambda iam, param: _virtual_device(iam, param("SerialNumber")),
        "saml_provider": lambda iam, param: iam.get_saml_provider(param("SAMLProviderArn")),
        "server_certificate": lambda iam, param: iam.get_server_certificate(param("ServerCertificateName")),
    }
    for cls in (VirtualMfaDevice, SAMLProvider, Certificate):
        cls.tags = ()
    for noun, lookup in find.items():
        setattr(IamResponse, f"tag_{noun}", _tagger(lookup))
        setattr(IamResponse, f"untag_{noun}", _untagger(lookup))
    IamResponse.list_mfa_device_tags = _list_mfa_device_tags
    IamResponse.create_saml_provider = _create_tagged_saml_provider(IamResponse.create_saml_provider)
    IamResponse.get_server_certificate = _get_tagged_certificate(IamResponse.get_server_certificate)


def _virtual_device(iam: IAMBackend, serial_number: str) -> VirtualMfaDevice:
    if serial_number not in iam.virtual_mfa_devices:
        raise NoSuchEntity(f"MFA device with serial number {serial_number} does not exist.")
    return iam.virtual_mfa_devices[serial_number]


def _tagger(lookup: Callable[..., Any]) -> Respond:
    def tag(self: IamResponse) -> ActionResult:
        entity, tags = lookup(self.backend, self._get_param), self._get_param("Tags", [])
        new = {one["Key"] for one in tags}
        entity.tags = [*(one for one in entity.tags if one["Key"] not in new), *tags]
        return EmptyResult()

    return tag


def _untagger(lookup: Callable[..., Any]) -> Respond:
    def untag(self: IamResponse) -> ActionResult:
        entity, keys = lookup(self.backend, self._get_param), self._get_param("TagKeys", [])
        entity.tags = [one for one in entity.tags if one["Key"] not in keys]
        return EmptyResult()

    return untag


def _list_mfa_device_tags(self: IamResponse) -> ActionResult:
    device = _virtual_device(self.backend, self._get_param("SerialNumber"))
    return ActionResult({"Tags": list(device.tags), "IsTruncated": False})


def _create_tagged_saml_provider(create: Respond) -> Respond:
    def create_tagged(self: IamResponse) -> ActionResult:
        name = self._get_param("Name")
        if name in self.backend.saml_providers:
            raise EntityAlreadyExists(f"SAMLProvider with name {name} already exists.")
        created = create(self)
        self.backend.saml_providers[name].tags = self._get_param("Tags", [])
        return created

    return create_tagged


def _get_tagged_certificate(get: Respond) -> Respond:
    def get_tagged(self: IamResponse) -> ActionResult:
        found = get(self)
        certificate = self.backend.get_server_certificate(self._get_param("ServerCertificateName"))
        found.result["ServerCertificate"]["Tags"] = list(certificate.tags)
        return found

    return get_tagged


# --- service-specific credentials -------------------------------------------------------------------------------------


def _add_service_specific_credentials() -> None:
    IamResponse.create_service_specific_credential = _create_service_specific_credential
    IamResponse.list_service_specific_credentials = _list_service_specific_credentials
    IamResponse.update_service_specific_credential = _update_service_specific_credential
    IamResponse.delete_service_specific_credential = _delete_service_specific_credential


def service_specific_credentials(user: Any) -> dict[str, dict[str, Any]]:
    """A user's service-specific credentials by id."""
    return user.__dict__.setdefault("service_specific_credentials", {})


def _create_service_specific_credential(self: IamResponse) -> ActionResult:
    user = self.backend.get_user(self._get_param("UserName"))
    credential = {
        "UserName": user.name,
        "ServiceName": self._get_param("ServiceName"),
        "ServiceUserName": f"{user.name}-at-{self.current_account}",
        "ServiceSpecificCredentialId": f"ACCA{mock_random.get_random_string(16).upper()}",
        "CreateDate": datetime.now(timezone.utc),
        "Status": "Active",
    }
    service_specific_credentials(user)[credential["ServiceSpecificCredentialId"]] = credential
    return ActionResult({"ServiceSpecificCredential": {**credential, "ServicePassword": "emulated"}})


def _list_service_specific_credentials(self: IamResponse) -> ActionResult:
    user = self.backend.get_user(self._get_param("UserName"))
    return ActionResult({"ServiceSpecificCredentials": list(service_specific_credentials(user).values())})


def _own_credential(self: IamResponse) -> tuple[dict[str, dict[str, Any]], str]:
    held = service_specific_credentials(self.backend.get_user(self._get_param("UserName")))
    name = self._get_param("ServiceSpecificCredentialId")
    if name not in held:
        raise NoSuchEntity(f"Service specific credential {name} cannot be found.")
    return held, name


def _update_service_specific_credential(self: IamResponse) -> ActionResult:
    held, name = _own_credential(self)
    held[name]["Status"] = self._get_param("Status")
    return EmptyResult()


def _delete_service_specific_credential(self: IamResponse) -> ActionResult:
    held, name = _own_credential(self)
    del held[name]
    return EmptyResult()


# --- settings of the account ------------------------------------------------------------------------------------------


def _add_account_settings() -> None:
    IAMBackend.outbound_federation = False
    IamResponse.set_security_token_service_preferences = _set_token_version
    IamResponse.enable_outbound_web_identity_federation = _enable_federation
    IamResponse.disable_outbound_web_identity_federation = _disable_federation
    IamResponse.get_outbound_web_identity_federation_info = _get_federation


def _set_token_version(self: IamResponse) -> ActionResult:
    version = self._get_param("GlobalEndpointTokenVersion")
    self.backend.account_summary._global_endpoint_token_version = int(version[1])
    return EmptyResult()


def _issuer(self: IamResponse) -> str:
    return f"https://{self.current_account}.tokens.sts.global.api.aws"


def _enable_federation(self: IamResponse) -> ActionResult:
    if self.backend.outbound_federation:
        raise _FeatureEnabled("Outbound web identity federation is already enabled for your account")
    self.backend.outbound_federation = True
    return ActionResult({"IssuerIdentifier": _issuer(self)})


def _disable_federation(self: IamResponse) -> ActionResult:
    _require_federation(self)
    self.backend.outbound_federation = False
    return EmptyResult()


def _get_federation(self: IamResponse) -> ActionResult:
    _require_federation(self)
    return ActionResult({"IssuerIdentifier": _issuer(self), "JwtVendingEnabled": True})


def _require_federation(self: IamResponse) -> None:
    if not self.backend.outbound_federation:
        raise _FeatureDisabled("Outbound web identity federation is disabled for your account")


# --- others -----------------------------------------------------------------------------------------------------------


def _add_client_id(self: IamResponse) -> ActionResult:
    provider = self.backend.get_open_id_connect_provider(self._get_param("OpenIDConnectProviderArn"))
    client = self._get_param("ClientID")
    provider.client_id_list = [*(one for one in provider.client_id_list if one != client), client]
    return EmptyResult()


def _remove_client_id(self: IamResponse) -> ActionResult:
    provider = self.backend.get_open_id_connect_provider(self._get_param("OpenIDConnectProviderArn"))
    client = self._get_param("ClientID")
    provider.client_id_list = [one for one in provider.client_id_list if one != client]
    return EmptyResult()


def _update_server_certificate(self: IamResponse) -> ActionResult:
    certificate = self.backend.get_server_certificate(self._get_param("ServerCertificateName"))
    certificate.cert_name = self._get_param("NewServerCertificateName") or certificate.cert_name
    certificate.path = self._get_param("NewPath") or certificate.path
    return EmptyResult()


def _update_group(self: IamResponse) -> ActionResult:
    """moto ignores a path without a new name, and takes the policies off and on again."""
    group: Group = self.backend.get_group(self._get_param("GroupName"))
    new_name = self._get_param("NewGroupName") or group.name
    if new_name != group.name and new_name in self.backend.groups:
        raise EntityAlreadyExists(f"Group with name {new_name} already exists.")
    self.backend.groups[new_name] = self.backend.groups.pop(group.name)
    group.name, group.path = new_name, self._get_param("NewPath") or group.path
    return EmptyResult()


def _delete_virtual_mfa_device(self: IamResponse) -> ActionResult:
    device = _virtual_device(self.backend, self._get_param("SerialNumber"))
    if device.user:
        raise DeleteConflictException("MFA VirtualDevice in use. Must deactivate first.")
    self.backend.delete_virtual_mfa_device(device.serial_number)
    return EmptyResult()


def _update_default_version(policy: ManagedPolicy, version_id: str) -> None:
    """moto leaves a policy without a default version when it is set to the one that it has."""
    for version in policy.versions:
        version.is_default = version.version_id == version_id
    policy.default_version_id = version_id


def _list_entities_for_policy(self: IamResponse) -> ActionResult:
    """Those that a policy is attached to and those that it bounds, as AWS lists them without PolicyUsageFilter."""
    arn, iam = self._get_param("PolicyArn"), self.backend
    iam.get_policy(arn)
    principals = {"User": iam.users.values(), "Role": iam.roles.values(), "Group": iam.groups.values()}
    found: dict[str, Any] = {"IsTruncated": False}
    for kind, entities in principals.items():
        using = [one for one in entities if arn in one.managed_policies or _is_bounded(one, arn)]
        found[f"Policy{kind}s"] = [{f"{kind}Name": one.name, f"{kind}Id": one.id} for one in using]
    return ActionResult(found)


def _is_bounded(principal: Any, arn: str) -> bool:
    return getattr(principal, "permissions_boundary_arn", None) == arn
