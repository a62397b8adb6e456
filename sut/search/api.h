// The HTTP API (API.md) in front of a node.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <string>
#include <vector>

#include "sut/http/http_server.h"
#include "sut/search/node.h"

namespace gameday::search {

// Searches and long listings run on a thread of their own; all else on the loop's.
class Api {
 public:
  // The loop and the node must outlive it. The loop must run nothing while it is destroyed.
  Api(boost::asio::io_context& loop, Node& node);

  // An http::Handler.
  void handle(const http::Request& request, http::Reply reply);

 private:
  struct Call;

  void handle_index(const Call& call);
  void handle_object(const Call& call);
  void put_object(const Call& call);
  void get_object(const Call& call);
  void handle_index_action(const Call& call);
  void batch(const Call& call);
  void query(const Call& call);
  void operation(const Call& call);
  void browse(const Call& call);
  void jobs(const Call& call);
  void task(const Call& call);
  void status(const Call& call);
  void write_one(const Call& call, Job job);

  // Runs `work`, which returns a Response, on the reader thread, and replies with its result.
  template <typename F>
  void on_reader(const http::Reply& reply, F work);

  boost::asio::io_context& loop_;
  Node& node_;
  boost::asio::thread_pool reader_{1};
};

}  // namespace gameday::search
