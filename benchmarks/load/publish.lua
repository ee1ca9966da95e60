-- Publishes as Centrifugo sends them, to 1000 channels. SECRET and WITH_IDS from the environment.
local requests, count, index = {}, 1000, 0
local with_ids = os.getenv("WITH_IDS") == "1"
local headers = {
  ["User-Agent"] = "Go-http-client/1.1",
  ["Content-Type"] = "application/json",
  ["X-Callback-Secret"] = os.getenv("SECRET"),
  ["Accept-Encoding"] = "gzip",
}
local body = '{"client":"f9e3c2b1-7a6d-4e5f-8b9c-%012x","transport":"websocket","protocol":"json",'
  .. '"encoding":"json","user":"%d","channel":"chat:room-%d","data":{"text":"message number %d, '
  .. 'with a line of plain text about as long as people write in a chat of this kind"%s}}'

local function make(k, id)
  return wrk.format("POST", "/centrifugo/publish", headers, string.format(body, k, k % 5000, k, k, id))
end

function init(args)
  math.randomseed(os.time() + (tonumber(tostring({}):match("0x(%x+)"), 16) % 100000))
  for k = 1, count do requests[k] = make(k, "") end
  index = math.random(1, count)
end

function request()
  index = index + 1
  if with_ids then
    return make(index % count + 1, string.format(',"id":"%x-%x"', index, math.random(1, 2147483647)))
  end
  return requests[index % count + 1]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    'JSON {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
