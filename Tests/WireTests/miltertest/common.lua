-- SPDX-License-Identifier: Apache-2.0
-- SPDX-FileCopyrightText: the bmsd authors

-- miltertest swallows Lua errors, so each script runs inside `script`, which prints a marker that
-- the test looks for. The variable `socket` is given on the command line.

function check(condition, what)
  if not condition then error(what, 2) end
end

function open(address)
  local connection = mt.connect(address or socket)
  check(connection ~= nil, "cannot connect")
  check(mt.negotiate(connection, nil, nil, nil) == nil, "no negotiation")
  return connection
end

function step(result, what)
  check(result == nil, what .. ": " .. tostring(result))
end

function stranger(connection, helo)
  step(mt.conninfo(connection, "mx.example.com", "192.0.2.7"), "connect")
  step(mt.helo(connection, helo), "helo")
end

function script(body)
  local ok, message = pcall(body)
  if ok then mt.echo("SCRIPT PASSED") else mt.echo("SCRIPT FAILED: " .. tostring(message)) end
end
