package scripting

import "strings"

// refusals are Swoole's settings that are none here. Naming one is an error that
// says why, and not "unknown".
var refusals = []struct{ names, why string }{
	{`open_http_protocol http_parse_cookie http_parse_files http_parse_post upload_tmp_dir upload_max_filesize url_rewrite_rules
		http_compression http_compression_level http_compression_min_length http_compression_types http_gzip_level
		compression_level compression_min_length compression_types
		enable_static_handler document_root static_handler_locations http_autoindex http_index_files
		max_concurrency worker_max_concurrency`,
		"is not in this version: it is of HTTP"},
	{`open_http2_protocol http2_enable_push http2_header_table_size http2_init_window_size http2_max_concurrent_streams
		http2_max_frame_size http2_max_header_list_size http2_max_headers`,
		"is not in this version: it is of HTTP/2"},
	{`open_websocket_protocol open_websocket_close_frame open_websocket_ping_frame open_websocket_pong_frame
		websocket_compression websocket_subprotocol`,
		"is not in this version: it is of WebSocket"},
	{`open_mqtt_protocol`, "is not in this version: it is of MQTT (package_length_func can cut its packets)"},
	{`open_redis_protocol`, "is not in this version: it is of the Redis protocol (package_length_func can cut its messages)"},
	{`ssl_cert_file ssl_key_file ssl_protocols ssl_ciphers ssl_ecdh_curve ssl_dhparam ssl_verify_peer ssl_allow_self_signed
		ssl_client_cert_file ssl_cafile ssl_capath ssl_verify_depth ssl_compress ssl_prefer_server_ciphers ssl_sni_certs`,
		"is not in this version: it is of TLS (a proxy in front can speak it)"},
	{`admin_server`, "is not in this version: swoon status, reload and stop ask a server through a socket of its own"},
	{`name_resolver dns_server dns_cache_expire dns_cache_capacity dns_cache_refresh_time dns_lookup_random`,
		"is not in this version: names are looked up as the system does (/etc/hosts, /etc/resolv.conf)"},
	{`socket_timeout socket_connect_timeout socket_read_timeout socket_recv_timeout socket_write_timeout socket_send_timeout
		socket_dns_timeout`,
		"is not in this version: clients are given their time-outs one by one"},

	// Not settings of a server in Swoole either.
	{`connect_timeout timeout read_timeout write_timeout bind_address bind_port keep_alive max_retries defer
		lowercase_header body_decompression write_func http_client_driver websocket_mask
		http_proxy_host http_proxy_port http_proxy_user http_proxy_username http_proxy_password
		socks5_host socks5_port socks5_username socks5_password
		ssl open_ssl ssl_host_name ssl_passphrase ssl_disable_compression ssl_grease`,
		"is of clients, not of a server"},
	{`enable_message_bus max_package_size`, "is of Swoole's process pools, not of a server"},
	{`open_fastcgi_protocol`, "is of Swoole's sockets, not of a server"},
	{`enable_kqueue`, "is of other systems: sockets are watched by epoll"},
	{`exit_condition deadlock_check_disable_trace deadlock_check_limit deadlock_check_depth`,
		"is of Swoole's scheduler, not of a server (swoon status shows what every fiber waits for)"},
	{`print_backtrace_on_error`, "is not needed: errors have their traceback"},
	{`request_slowlog_file request_slowlog_timeout trace_event_worker`, "is gone, in Swoole too: server:stats() tells how long callbacks take"},
	{`ssl_method`, "is gone, in Swoole too"},
	{`task_async`, "is gone, in Swoole too: task_enable_coroutine lets tasks wait"},
	{`open_tcp_keepidle`, "is tcp_keepidle"},
}

// whyRefused says why a name of Swoole's is no setting; "" if it is none of these.
func whyRefused(name string) string {
	for _, r := range refusals {
		for _, n := range strings.Fields(r.names) {
			if n == name {
				return r.why
			}
		}
	}
	return ""
}

// laterNames are the names that may be settings one day.
func laterNames() (names []string) {
	for _, r := range refusals {
		if strings.HasPrefix(r.why, "is not in this version") {
			names = append(names, strings.Fields(r.names)...)
		}
	}
	return names
}
