"""Members of an organisation, and who is invited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from coditect_cloud.database.paging import after, page
from coditect_cloud.identity.members import Invitation, Member, Members
from coditect_cloud.identity.principal import Role
from coditect_cloud.refusals import Code
from coditect_cloud.web.answers import (
    LINK,
    WITH_BODY,
    At,
    Caller,
    Cursor,
    Given,
    Limit,
    Listed,
    Told,
    answer,
    documents,
    id_of,
    listed,
    nothing,
)

Account = Annotated[str, id_of("account", "acc")]
InvitationId = Annotated[str, id_of("invitation", "inv")]


class MemberNew(Given):
    """Makes an account a member."""

    account: str = Field(min_length=1, max_length=80, examples=["acc_0198c0de"])
    role: Role


class MemberChange(Given):
    """Gives a member another role."""

    role: Role


class InvitationNew(Given):
    """Keeps a role for who proves to own an e-mail address."""

    email: str = Field(min_length=3, max_length=254, examples=["ada@example.org"])
    role: Role


class MemberTold(Told):
    """Somebody of the organisation."""

    account: str
    email: str
    name: str
    role: Role
    created_at: At


class InvitationTold(Told):
    """A role that waits for who owns an e-mail address."""

    id: str
    email: str
    role: Role
    created_at: At
    expires_at: At


class InvitationsTold(Told):
    """Who is invited and has not signed in since."""

    items: list[InvitationTold]


def tell(member: Member) -> MemberTold:
    """Tell of a member."""
    return MemberTold.model_validate(member)


def tell_invitation(invitation: Invitation) -> InvitationTold:
    """Tell of an invitation."""
    return InvitationTold.model_validate(invitation)


def routes(service: Members, forget: Callable[[], None]) -> APIRouter:
    """Make the routes of `/v1/members` and `/v1/invitations`."""
    router = APIRouter(prefix="/v1", tags=["members"])

    @router.get(
        "/members",
        operation_id="list_members",
        summary="List the organisation's members",
        responses=documents(s200=("A page of members.", Listed[MemberTold]), headers={200: LINK}),
    )
    async def list_members(
        request: Request, caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        found = await service.page(caller, after=after(cursor), most=limit + 1)
        return listed(request, page(found, limit, [m.account for m in found]), tell)

    @router.post(
        "/members",
        operation_id="add_member",
        summary="Make an account a member",
        status_code=201,
        responses=documents(
            *WITH_BODY, Code.NOT_FOUND, Code.CONFLICT, s201=("It is one now.", MemberTold)
        ),
    )
    async def add_member(caller: Caller, body: MemberNew) -> Response:
        member = await service.add(caller, body.account, body.role)
        forget()
        return answer(tell(member), status=201)

    @router.get(
        "/members/{account}",
        operation_id="get_member",
        summary="Show one member",
        responses=documents(Code.NOT_FOUND, s200=("The member.", MemberTold)),
    )
    async def get_member(caller: Caller, account: Account) -> Response:
        return answer(tell(await service.get(caller, account)))

    @router.patch(
        "/members/{account}",
        operation_id="change_member",
        summary="Give a member another role",
        responses=documents(
            *WITH_BODY, Code.NOT_FOUND, Code.CONFLICT, s200=("It is changed.", MemberTold)
        ),
    )
    async def change_member(caller: Caller, account: Account, body: MemberChange) -> Response:
        member = await service.change_role(caller, account, body.role)
        forget()
        return answer(tell(member))

    @router.delete(
        "/members/{account}",
        operation_id="remove_member",
        summary="Take a member out; everybody may leave",
        status_code=204,
        responses=documents(*WITH_BODY, Code.NOT_FOUND, Code.CONFLICT, s204="It is none now."),
    )
    async def remove_member(caller: Caller, account: Account) -> Response:
        await service.remove(caller, account)
        forget()
        return nothing()

    @router.get(
        "/invitations",
        operation_id="list_invitations",
        summary="List who is invited",
        responses=documents(s200=("The newest thousand.", InvitationsTold)),
    )
    async def list_invitations(caller: Caller) -> Response:
        found = await service.invitations(caller)
        return answer(InvitationsTold(items=[tell_invitation(one) for one in found]))

    @router.post(
        "/invitations",
        operation_id="invite",
        summary="Keep a role for who owns an e-mail address",
        status_code=201,
        responses=documents(*WITH_BODY, s201=("It waits.", InvitationTold)),
    )
    async def invite(caller: Caller, body: InvitationNew) -> Response:
        made = await service.invite(caller, body.email, body.role)
        return answer(tell_invitation(made), status=201)

    @router.delete(
        "/invitations/{invitation}",
        operation_id="withdraw_invitation",
        summary="Invite somebody no longer",
        status_code=204,
        responses=documents(*WITH_BODY, Code.NOT_FOUND, s204="It waits no more."),
    )
    async def withdraw_invitation(caller: Caller, invitation: InvitationId) -> Response:
        await service.withdraw(caller, invitation)
        return nothing()

    return router
