-- SPDX-License-Identifier: Apache-2.0
-- SPDX-FileCopyrightText: the bmsd authors

-- A message that passes, another after an abort, and steps that were negotiated away: miltertest
-- refuses to send those.
dofile(folder .. "/common.lua")
script(function()
  local c = open()
  check(mt.test_option(c, SMFIP_NOBODY), "body is wanted")
  check(mt.test_option(c, SMFIP_NOHDRS), "headers are wanted")
  check(mt.test_option(c, SMFIP_NOUNKNOWN), "unknown commands are wanted")
  check(mt.test_option(c, SMFIP_NR_HELO), "HELO is answered")
  check(not mt.test_option(c, SMFIP_NORCPT), "recipients are not wanted")
  check(not mt.test_option(c, SMFIP_NR_RCPT), "RCPT is not answered")
  stranger(c, "mx.example.com")
  for round = 1, 3 do
    step(mt.mailfrom(c, "<a@example.com>"), "mail")
    step(mt.rcptto(c, "<b@example.net>"), "rcpt")
    check(mt.getreply(c) == SMFIR_CONTINUE, "recipient: " .. tostring(mt.getreply(c)))
    if round == 2 then
      step(mt.abort(c), "abort")
    else
      step(mt.eom(c), "eom")
      check(mt.getreply(c) == SMFIR_CONTINUE, "message: " .. tostring(mt.getreply(c)))
    end
  end
  mt.disconnect(c)
  -- One that hangs up in the middle.
  local other = open()
  stranger(other, "mx.example.com")
  step(mt.mailfrom(other, "<x@example.com>"), "mail")
  step(mt.rcptto(other, "<b@example.net>"), "rcpt")
  mt.disconnect(other, false)
end)
