-- lists whose last entries were cleared
local function show(t) local s = {} for i = 1, #t do s[i] = tostring(t[i]) end return #t .. ":" .. table.concat(s, " ") end
local t = {3, 1, 2} t[3] = nil print(pcall(table.sort, t)) print(show(t))
t = {3, 1, 2, 5} t[3] = nil t[4] = nil table.sort(t, function(a, b) return a > b end) print(show(t))
t = {} t[1] = 5 t[7] = 1 t[7] = nil t[2] = 3 table.sort(t) print(show(t))
t = {5, 4, 3, 2, 1} for i = 1, 5 do t[i] = nil end table.sort(t) t[1] = 9 t[2] = 8 table.sort(t) print(show(t))
t = {1, 2, 3} t[#t] = nil print(table.remove(t), show(t)) print(table.remove(t), show(t)) print(select("#", table.remove(t)))
t = {1, 2, 3} t[3] = nil print(table.remove(t, 1), show(t)) t[#t] = nil table.insert(t, "x") print(show(t))
t = {1, 2, 3} t[3] = nil table.insert(t, "x") table.insert(t, 1, "y") print(show(t))
t = {1, 2} print(table.remove(t, 0), table.remove(t, -1), table.remove(t, 3), show(t))
print(pcall(table.sort, {2, 1}, nil)) print(pcall(table.sort, {2, 1}, 3)) print(pcall(table.sort, {1, "x"}))
print(pcall(table.remove)) print(pcall(table.sort)) print(pcall(table.remove, {1}, "x")) print(table.remove({"a", "b"}, "1"))
t = {"a", "b", "c", n = 1} t[3] = nil local n = 0 for k, v in pairs(t) do n = n + 1 end print(n, table.concat(t, ","), unpack(t))
