-- SPDX-License-Identifier: Apache-2.0
-- SPDX-FileCopyrightText: the bmsd authors

-- A HELO that is refused: told at RCPT, to each recipient, with our text.
dofile(folder .. "/common.lua")
script(function()
  local c = open()
  stranger(c, "192.0.2.7")
  step(mt.mailfrom(c, "<a@example.com>"), "mail")
  for _, recipient in ipairs({ "<b@example.net>", "<c@example.net>" }) do
    step(mt.rcptto(c, recipient), "rcpt")
    check(mt.getreply(c) == SMFIR_REPLYCODE, "not refused: " .. tostring(mt.getreply(c)))
  end
  mt.disconnect(c)
end)
